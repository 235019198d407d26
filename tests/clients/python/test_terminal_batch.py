"""`runstream batch`: results in order, and resumed after whatever end."""

import json
import os

import pytest
from runstream import Client
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO
from tests.support.terminals import runstream, terminal

LINES = ['"Where is Paris?"', '{"prompt": "Where is Rome?", "external_reference": "r", "max_tokens": 5}', "", '"hello"']


@pytest.fixture
def fake(fake):
    """A service with a batch of two that waits."""
    fake.batch.num_items = 2
    return fake


def end(batch, fake):
    """Gives the batch of a fake its results."""
    batch.state, batch.num_succeeded, batch.num_failed = batches_pb2.BATCH_STATE_DONE, 1, 1
    answer = batches_pb2.BatchResult(index=0, response=pb.RunResponse(text="yes", finish_reason=pb.FINISH_REASON_STOP))
    failure = batches_pb2.BatchItemFailure(reason="ENGINE_FAILED", message="it died")
    fake.pages = [[answer], [batches_pb2.BatchResult(index=1, failure=failure)]]


def results(path):
    """The objects of a file of results."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def questions(tmp_path):
    """A file with requests."""
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(LINES))
    return path


def test_results_stand_in_order_beside_the_file(running_stack, questions):
    done = runstream("batch", questions, "--target", running_stack.service_address)
    assert (done.returncode, done.stdout) == (0, "")
    file = questions.with_name("questions.results.jsonl")
    assert done.stderr.splitlines()[-1] == f"results: {file}"
    lines = results(file)
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert "Paris" in lines[0]["text"]
    assert (lines[1]["external_reference"], lines[1]["finish_reason"]) == ("r", "length")


def test_the_same_file_is_the_same_batch_until_a_new_one_is_wanted(running_stack, questions):
    place = ["--target", running_stack.service_address, "-o", "-", "--account", "same"]
    first, again = (runstream("batch", questions, *place) for _ in range(2))
    assert first.stdout == again.stdout != ""
    assert "results:" not in first.stderr
    runstream("batch", questions, *place, "--new")
    with Client(running_stack.service_address, account="same") as client:
        assert len(list(client.batches.list())) == 2


async def test_one_item_is_told_as_one(fake, questions):
    questions.write_text('"a"')
    fake.batch.num_items = 1
    end(fake.batch, fake)
    fake.pages = [[batches_pb2.BatchResult(index=0, failure=batches_pb2.BatchItemFailure(reason="INTERNAL"))]]
    with terminal("batch", questions, "--target", fake.target, state=questions.parent) as screen:
        await screen.until(f"of {DEMO}: 1 item, ")
        await screen.until("1 of 1 item failed: its line says why in ")
        assert await screen.end() == 1


@pytest.mark.parametrize("way", ["Ctrl-C", "kill"])
async def test_it_goes_on_after_an_interruption(fake, questions, way):
    questions.write_text('"a"\n"b"\n')
    command = ["batch", questions, "--target", fake.target]
    with terminal(*command, state=questions.parent) as screen:
        await screen.until("the same command finds it again")
        await screen.until("0/2")
        if way == "kill":
            screen.process.kill()
        else:
            screen.type("\x03")
        assert await screen.end() == (-9 if way == "kill" else 130)
    asked = fake.new_batch.request_id
    assert not list(questions.parent.glob("*results*"))
    end(fake.batch, fake)
    with terminal(*command, state=questions.parent) as screen:
        await screen.until("1 of 2 items failed")
        assert await screen.end() == 1
    assert fake.new_batch.request_id == asked != ""
    lines = results(questions.with_name("questions.results.jsonl"))
    assert lines[0]["text"] == "yes"
    assert lines[1] == {"index": 1, "error": {"reason": "ENGINE_FAILED", "message": "it died"}}


async def test_a_kill_loses_nothing_that_the_real_service_was_asked(running_stack, questions):
    questions.write_text("\n".join(json.dumps(f"Tell me story {number}") for number in range(40)))
    command = ["batch", questions, "--target", running_stack.service_address, "--account", "killed"]
    with terminal(*command, state=questions.parent) as screen:
        await screen.until("the same command finds it again")
        screen.process.kill()
        assert await screen.end() == -9
    done = runstream(*command)
    assert done.returncode == 0, done.stderr
    assert [line["index"] for line in results(questions.with_name("questions.results.jsonl"))] == list(range(40))
    with Client(running_stack.service_address, account="killed") as client:
        assert len(list(client.batches.list())) == 1


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "no JSON: Expecting property name enclosed in double quotes at column 2: give a JSON string"),
        ("[" * 100_000, "no JSON: it is nested too deep"),
        ("1" * 5000, "no JSON: an integer has too many digits"),
        ("3", "it is neither a prompt nor an object"),
        ('{"prompt": "a", "temperture": 1}', "a request takes no 'temperture': did you mean temperature?"),
        (
            '{"prompt": "a", "model": "b"}',
            "model: one model answers the whole file: leave it out here, and give --model",
        ),
        ('{"prompt": "a", "max_tokens": "b"}', "max_tokens can't be 'b'"),
        ('{"prompt": 5}', "prompt can't be 5"),
        ("{}", "a request has one of prompt, messages and prompt_token_ids, this has none"),
        ('"\\ud800"', "prompt can't be '\\ud800'"),
    ],
    ids=range(10),
)
def test_a_wrong_line_is_named_with_what_is_wrong_in_it(tmp_path, line, what):
    file = tmp_path / "questions.jsonl"
    file.write_text(f'"a"\n\n \n{line}\n')
    done = runstream("batch", file, "-m", DEMO)
    assert done.returncode == 2
    assert done.stderr.startswith(f"runstream: {file}:4: {what}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"prompt": "a", "temperature": 9}', "temperature is 9.0; its range is 0 to 5"),
        ('{"prompt": "a", "priority": "online"}', "priority: it must be PRIORITY_BATCH or unspecified"),
        ('{"prompt": "a", "external_reference": "%s"}' % ("r" * 5000), "external_reference: it has more than"),
    ],
    ids=range(3),
)
def test_a_line_that_the_service_refuses_is_named(running_stack, questions, line, what):
    questions.write_text(f'"a"\n\n \n{line}\n"b"\n{line}')
    done = runstream("batch", questions, "--target", running_stack.service_address)
    assert done.returncode == 3
    assert done.stderr.startswith(f"runstream: {questions}:4: {what}")
    assert f"; {questions}:6: {what}" in done.stderr
    assert "items[" not in done.stderr


def test_a_file_without_a_request_is_refused(questions):
    questions.write_text("\n")
    assert "has no request" in runstream("batch", questions, "-m", DEMO).stderr


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.truncate(2**40)
    done = runstream("batch", path)
    assert done.returncode == 2
    assert "split it into several" in done.stderr


def test_results_never_replace_the_requests(questions):
    done = runstream("batch", questions, "-o", questions)
    assert done.returncode == 2
    assert questions.read_text() == "\n".join(LINES)


def test_results_go_to_no_device_and_no_folder(questions):
    (questions.parent / "questions.results.jsonl").mkdir()
    os.mkfifo(questions.parent / "pipe")
    told = {
        ("-o", questions.parent): "is a directory",
        ("-o", questions.parent / "pipe"): "is no regular file",
        (): "is no regular file",
    }
    for output, what in told.items():
        done = runstream("batch", questions, *output, "--target", "127.0.0.1:1")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), "nothing was asked"
        assert what in done.stderr


async def test_a_folder_that_is_gone_by_the_end_is_told_in_one_line(fake, questions):
    questions.write_text('"a"\n"b"\n')
    folder = questions.parent / "folder"
    folder.mkdir()
    with terminal("batch", questions, "-o", folder / "out", "--target", fake.target, state=questions.parent) as screen:
        await screen.until("0/2")
        folder.rmdir()
        end(fake.batch, fake)
        await screen.until("No such file or directory")
        assert await screen.end() == 2
    assert "Traceback" not in screen.screen


async def test_a_link_stays_one_to_what_it_names(fake, questions):
    questions.write_text('"a"\n"b"\n')
    end(fake.batch, fake)
    link, file = questions.parent / "link", questions.parent / "file"
    file.touch()
    link.symlink_to(file)
    with terminal("batch", questions, "-o", link, "--target", fake.target, state=questions.parent) as screen:
        await screen.until(f"of {DEMO}: 2 items")
        assert await screen.end() == 1
    assert link.is_symlink()
    assert len(results(file)) == 2
