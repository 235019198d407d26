"""Tests that mean most on a GPU. They need torch, transformers, numpy and pytest only.

    python -m pytest tests/gpu --device cuda

Without `--device` they run on CUDA where it is, otherwise small on the CPU, so that none runs for the first time on
somebody's GPU.
"""

import pytest
import torch

from service.engine_protocol.acceleration import PREFILLS, Acceleration

_ALL = frozenset(Acceleration) - PREFILLS
_ATTENTION = frozenset({Acceleration.ATTENTION})
_WAYS = {
    "cuda": {
        "plain": frozenset(),
        "attention": _ATTENTION,
        "attention and graphs": _ATTENTION | {Acceleration.GRAPHS},
        "all": _ALL,
    },
    "cpu": {"plain": frozenset(), "attention and overlap": _ATTENTION | {Acceleration.OVERLAP}},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", help="cuda or cpu; cuda fails where there is none")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--device", default=None) == "cuda" and not torch.cuda.is_available():
        pytest.exit("no CUDA device: these tests need one; --device cpu runs them small", returncode=1)


def device_of(config: pytest.Config) -> str:
    device: str | None = config.getoption("--device", default=None)
    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "accelerations" in metafunc.fixturenames:
        ways = _WAYS[device_of(metafunc.config)]
        metafunc.parametrize("accelerations", ways.values(), ids=ways.keys())


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> str:
    return device_of(pytestconfig)


@pytest.fixture(scope="session", autouse=True)
def one_thread(device: str) -> None:
    if device == "cpu":
        torch.set_num_threads(1)
