"""The profile of a native step runs."""

from click.testing import CliRunner

from bench.native_step import PHASES, main


def test_each_phase_of_a_step_is_timed():
    arguments = ["float32", "int4", "--steps", "1", "--context", "20"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    rows = [line.strip("|").split("|") for line in result.output.splitlines() if line.startswith("|")]
    assert [row[0].strip() for row in rows[2:]] == [*PHASES, "whole step"]
    assert all(float(cell.split()[0]) > 0 for row in rows[3:] for cell in row[1:] if "gate" in row[0])
