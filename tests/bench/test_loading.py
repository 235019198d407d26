"""The benchmark of loading, with a model that is there at once."""

from pathlib import Path

from bench.loading import forget, report_of
from tests.support.checkpoints import save_tiny_model


def test_loading_is_measured_by_reading_the_same_files(tmp_path: Path) -> None:
    report = report_of(save_tiny_model(tmp_path), "cpu", "auto", rounds=2)
    assert f"{forget(tmp_path) / 1e9:.2f} GB of weights" in report.note
    assert {name: len(rates) for name, rates in report.figures["rates"].items()} == {"read": 2, "load": 2}
    assert "| load by read |" in report.tables[1]
