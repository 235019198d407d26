"""An output that nobody reads holds nobody up."""

import os
import re

import pytest

from scripts.patient_output import MAX_WAITING_BYTES, PatientOutput


@pytest.fixture
def pipe():
    """Both ends of a pipe: what reads and what writes."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


def read_to_the_end(reading, output, writing):
    """Finishes an output and reads what came of it."""
    copy = os.dup(reading)
    with open(copy, "rb") as source:
        output.finish()
        os.set_blocking(copy, False)
        data = source.read()
    os.close(reading)
    return data


@pytest.mark.parametrize("is_blocking", [True, False])
def test_what_is_written_comes_out_in_order(pipe, is_blocking):
    reading, writing = pipe
    os.set_blocking(writing, is_blocking)
    output = PatientOutput(writing)
    for number in range(100):
        print(number, end="", file=output)
        print(" is a number", file=output)
    print("no end of a line", end="", file=output)
    expected = "".join(f"{number} is a number\n" for number in range(100)) + "no end of a line"
    assert read_to_the_end(reading, output, writing) == expected.encode()


def test_what_nobody_reads_is_left_out_and_counted_once_somebody_does(pipe):
    reading, writing = pipe
    output = PatientOutput(writing)
    line = "x" * 999
    num_lines = 3 * MAX_WAITING_BYTES // 1000
    for _ in range(num_lines):
        print(line, file=output)
    with open(reading, "rb") as source:
        read = [source.readline() for _ in range(MAX_WAITING_BYTES // 1000)]
        print("the last", file=output)
        while read[-1] != b"the last\n":
            read.append(source.readline())
        output.finish()
    whole = read.count(f"{line}\n".encode())
    told = re.findall(r"^… (\d+) lines are left out here: nobody read them$", b"".join(read).decode(), re.MULTILINE)
    assert len(told) >= 1
    assert len(read) == whole + len(told) + 1
    assert whole + sum(map(int, told)) == num_lines


def test_a_reader_that_goes_is_no_error(pipe):
    reading, writing = pipe
    output = PatientOutput(writing)
    os.close(reading)
    for _ in range(2 * MAX_WAITING_BYTES // 1000):
        print("x" * 999, file=output)
    output.finish()


def test_characters_that_the_encoding_lacks_are_escaped(pipe):
    reading, writing = pipe
    output = PatientOutput(writing, "iso-8859-1")
    print("é ✓ \udc80", file=output)
    assert read_to_the_end(reading, output, writing) == b"\xe9 \\u2713 \\udc80\n"
