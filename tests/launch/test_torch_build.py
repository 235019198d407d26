"""Which build of torch a machine gets."""

import pytest

from scripts.torch_build import CPU_CONFIGURED, CPU_FROM_PYTORCH, CUDA, CUDA_UNASKED, MACOS, can_reach, choose


@pytest.mark.parametrize(
    ("system", "has_driver", "is_cpu_configured", "can_reach_cpu_index", "expected"),
    [
        ("Linux", True, False, False, CUDA),
        ("Linux", True, False, True, CUDA),
        ("Linux", False, False, True, CPU_FROM_PYTORCH),
        ("Linux", False, False, False, CUDA_UNASKED),
        ("Linux", False, True, True, CPU_CONFIGURED),
        ("Linux", True, True, True, CPU_CONFIGURED),
        ("Darwin", False, False, True, MACOS),
    ],
)
def test_only_a_machine_with_a_driver_or_without_a_choice_gets_cuda(
    system, has_driver, is_cpu_configured, can_reach_cpu_index, expected
):
    assert choose(system, has_driver, is_cpu_configured, can_reach_cpu_index) is expected


def test_an_address_that_nobody_listens_on_can_not_be_reached(unused_tcp_port):
    assert not can_reach(f"http://127.0.0.1:{unused_tcp_port}/")
