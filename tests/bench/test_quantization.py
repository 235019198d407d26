"""The benchmark of quantized weights runs, on a tiny model."""

from bench.quantization import run
from tests.support.checkpoints import tiny_model


def test_every_way_of_keeping_weights_is_measured():
    report = run(tiny_model(hidden_size=128, intermediate_size=256, tie_word_embeddings=True), "cpu", rounds=1)
    assert len(report.tables[0].splitlines()) == 2 + 6
    assert report.figures["memory_mib"].keys() == report.figures["tokens_per_s"]["prefill"].keys()
    assert all(min(rates) > 0 for timed in report.figures["tokens_per_s"].values() for rates in timed.values())
