"""Floors and goals, with figures that were worked out by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import roofline
from bench.gpu import cases
from bench.gpu.cases import CASES, Case, Goal, Kind, Weights
from bench.roofline import DATASHEETS, Measurement, Rates

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "benchmarks.md"
H200 = DATASHEETS["H200"]
ALONE = cases.LLAMA_3_ALONE


@pytest.mark.parametrize(
    ("case", "floor_ms", "tokens_per_s"),
    [
        (cases.LLAMA_2_ALONE, 2.81, 356),
        (cases.INT8_ALONE, 1.40, 712),
        (cases.AWQ_ALONE, 0.81, 1234),
        (cases.LLAMA_3_ALONE, 3.35, 299),
        (cases.LLAMA_3_MANY, 5.14, 6231),
        (cases.LLAMA_3_MOST, 10.50, 12186),
        (cases.LLAMA_2_MANY, 9.97, 3211),
        (cases.PREFILL, 166.54, None),
    ],
    ids=lambda given: given.name if isinstance(given, Case) else "",
)
def test_the_floors_of_an_h200(case, floor_ms, tokens_per_s):
    floor_s = roofline.floor_s(case, H200)
    assert floor_s is not None
    assert round(floor_s * 1e3, 2) == floor_ms
    assert tokens_per_s is None or round(case.num_sequences / floor_s) == tokens_per_s


def test_the_parameters_are_those_of_the_real_checkpoints():
    assert cases.LLAMA_2_7B.num_parameters == 6_738_415_616
    assert cases.LLAMA_3_1_8B.num_parameters == 8_030_261_248


def test_a_token_of_llama_2_takes_half_a_mebibyte_of_the_cache():
    assert roofline.kv_bytes_per_token(cases.LLAMA_2_7B) == 512 * 1024
    assert roofline.kv_bytes_per_token(cases.LLAMA_3_1_8B) == 128 * 1024


def test_awq_keeps_embeddings_and_head_in_16_bits():
    shape = cases.CODELLAMA_7B
    packed = roofline.weight_bytes(shape, Weights.AWQ) - 2 * shape.num_other_weights
    assert packed / shape.num_layer_weights * 8 == 4 + 20 / 128


@pytest.mark.parametrize(
    ("name", "bytes_per_s"),
    [
        ("NVIDIA H200", 4.8e12),
        ("NVIDIA H100 80GB HBM3", 3.35e12),
        ("NVIDIA A100-SXM4-80GB", 2.04e12),
        ("NVIDIA GeForce RTX 4090", 1.01e12),
    ],
)
def test_known_cards_have_a_datasheet(name, bytes_per_s):
    rates = roofline.datasheet(name)
    assert rates is not None
    assert rates.bytes_per_s == bytes_per_s


@pytest.mark.parametrize("name", ["NVIDIA H100 PCIe", "CPU"])
def test_other_cards_have_none(name):
    assert roofline.datasheet(name) is None


@pytest.mark.parametrize(("step_ms", "met"), [(3.93, True), (3.95, False)])
def test_a_share_of_the_floor_is_met_to_the_point(step_ms, met):
    floor_s = roofline.floor_s(ALONE, H200)
    assert roofline.is_met(ALONE, step_ms / 1e3, floor_s, None) is met


@pytest.mark.parametrize(("value", "met"), [(3.0, True), (2.9, False)])
def test_a_rate_is_compared_with_another_rate(value, met):
    assert roofline.is_met(cases.MIXED, value, None, 1.0) is met


@pytest.mark.parametrize(("step_s", "met"), [(1 / 1.7, True), (1 / 1.6, False)])
def test_a_time_is_compared_with_another_time(step_s, met):
    assert roofline.is_met(cases.INT8_ALONE, step_s, 0.1, 1.0) is met


@pytest.mark.parametrize(("value_s", "met"), [(0.030, True), (0.031, False)])
def test_the_first_token_may_take_10_ms_more(value_s, met):
    assert roofline.is_met(cases.REST_FIRST, value_s, None, 0.02) is met


def test_what_has_nothing_to_be_compared_with_is_neither_met_nor_missed():
    assert roofline.is_met(cases.MIXED, 3.0, None, None) is None
    assert roofline.is_met(replace(ALONE, goal=Goal()), 3.0, None, None) is None


def test_the_best_way_is_the_quickest_one():
    steps = [Measurement(ALONE.name, "plain", [0.02]), Measurement(ALONE.name, "graphs", [0.01, 0.01, 0.09])]
    assert roofline.best(ALONE, steps) == 0.01
    rates = [Measurement(cases.MIXED.name, "plain", [5.0]), Measurement(cases.MIXED.name, "graphs", [7.0])]
    assert roofline.best(cases.MIXED, rates) == 7.0
    assert roofline.best(cases.PEER, rates) is None


def test_a_row_shows_measured_floor_and_ratio():
    found = [Measurement(ALONE.name, "graphs", [0.004, 0.005, 0.004])]
    (row,) = roofline.lines([ALONE], found, "NVIDIA H200", Rates(4.0e12, 700e12))
    shown = dict(zip(["what", "way", "measured", "rate", "floor", "ratio", "floor 2", "ratio 2"], row, strict=False))
    assert (shown["measured"], shown["rate"]) == ("4.00 ms", "250")
    assert (shown["floor"], shown["ratio"]) == ("3.35 ms", "0.84")
    assert (shown["floor 2"], shown["ratio 2"]) == ("4.02 ms", "1.00")
    assert row[-1] == "no"


def test_an_unknown_card_is_held_against_what_was_measured_of_it():
    (row,) = roofline.lines([ALONE], [Measurement(ALONE.name, "", [0.004])], "NVIDIA B300", Rates(4.8e12))
    assert row[4:6] == ["", ""]
    assert row[-1] == "no"


def test_a_case_without_a_figure_says_why():
    rows = roofline.lines(CASES, [Measurement(ALONE.name, "plain", [], "it was stopped")], "NVIDIA H200", None)
    shown = {row[0]: row[2] for row in rows}
    assert shown.pop(ALONE.name) == "it was stopped"
    assert set(shown.values()) == {"not measured"}


def test_each_goal_names_a_case_of_the_table():
    assert {case.goal.other for case in CASES} <= {"", *(case.name for case in CASES)}


def test_the_documentation_has_each_row_with_its_floor():
    rows = DOCUMENTATION.read_text().splitlines()
    for case in CASES:
        floor_s = roofline.floor_s(case, H200)
        floor = "" if floor_s is None else f" {floor_s * 1e3:.2f} ms"
        assert [row for row in rows if row.startswith(f"| {case.name} | {case.goal} |{floor}")], case.name


def test_a_shrunk_case_keeps_what_it_is_called():
    small = cases.LLAMA_3_MOST.shrunk()
    assert (small.name, small.kind, small.num_sequences) == (cases.LLAMA_3_MOST.name, Kind.DECODE, 4)


def test_the_table_is_printed_again_from_the_file(tmp_path, capsys):
    found = {"machine": "a card", "device_name": "NVIDIA H200", "is_tiny": False, "ceilings": vars(Rates(4.3e12, 7e14))}
    file = tmp_path / "figures.json"
    file.write_text(roofline.to_json(found, [Measurement(ALONE.name, "plain", [0.005])]))
    roofline.main([str(file)])
    printed = capsys.readouterr().out
    assert "copy 4.300 TB/s" in printed
    assert "| Llama-3.1-8B bf16, 1 sequence | plain | 5.00 ms | 200 | 3.35 ms | 0.67 |" in printed
    assert json.loads(file.read_text())["measurements"][0]["values"] == [0.005]
