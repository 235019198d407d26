"""The benchmark of the start, of which one is measured."""

from bench.start import report_of


def test_a_start_is_measured_from_the_command_to_the_first_answer() -> None:
    report = report_of([""], rounds=1)
    (start,) = report.figures["@runstream/demo"]
    assert 0 < start["first_line_s"] < start["answer_s"]
    assert start["cpu_s"] > 0
    assert "| @runstream/demo, first answer |" in report.tables[0]
