"""The sums of a profile, with kernels that were placed by hand."""

from bench.gpu.visit.step_profile import Kernel, summary

KERNELS = [
    Kernel("gemm", 10.0, 20.0),
    Kernel("norm", 20.5, 21.5),  # 0.5 us of nothing before it
    Kernel("copy", 15.0, 19.0),  # of another stream, beside the first
    Kernel("gemm", 30.0, 40.0),
]


def test_kernels_are_added_up_by_name_and_overlapping_ones_are_busy_once() -> None:
    found = summary(KERNELS, num_steps=2)
    assert (found["num_kernels"], found["span_us"], found["busy_us"]) == (2.0, 15.0, 10.5)
    assert found["kernels"] == [
        {"name": "gemm", "us": 10.0, "calls": 1.0},
        {"name": "copy", "us": 2.0, "calls": 0.5},
        {"name": "norm", "us": 0.5, "calls": 0.5},
    ]


def test_gaps_are_told_with_what_stands_on_both_sides() -> None:
    found = summary(KERNELS, num_steps=1)
    assert (found["gaps_us"], found["num_gaps"]) == (9.0, 2.0)
    assert found["longest_gaps"] == [
        {"us": 8.5, "after": "norm", "before": "gemm"},
        {"us": 0.5, "after": "gemm", "before": "norm"},
    ]
