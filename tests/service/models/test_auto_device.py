"""With `--device auto` the models run on a GPU that has room for them, else on the CPU, and the service says why."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.catalog import Catalog, load_catalog
from service.config import ConfigError, ServiceConfig
from service.devices import DeviceError, parse_devices
from service.models.auto_device import CudaDevice, NoCudaError, cuda_devices, on_chosen_device
from service.models.opening import engine_configs
from tests.support.running_service import MODEL, config, run_service

SMALL, LARGE = CudaDevice("cuda:0", "Small", 1 << 20), CudaDevice("cuda:1", "Large", 80 << 30)


@pytest.fixture
def catalog(catalog_file: Path) -> Catalog:
    return load_catalog(catalog_file)


@pytest.fixture
def auto(catalog_file: Path) -> ServiceConfig:
    return config(catalog_file, devices=("auto",))


def probed(*devices: CudaDevice) -> Callable[[], list[CudaDevice]]:
    return lambda: list(devices)


def test_the_first_gpu_with_room_is_taken(auto: ServiceConfig, catalog: Catalog) -> None:
    chosen, why = on_chosen_device(auto, catalog, probed(SMALL, LARGE))
    assert (chosen.devices, chosen.is_on_cuda) == (("cuda:1",), True)
    assert why == "cuda:1, Large, with 85.90 GB free"


def test_without_room_it_is_the_cpu(auto: ServiceConfig, catalog: Catalog) -> None:
    chosen, why = on_chosen_device(auto, catalog, probed(SMALL))
    assert (chosen.devices, chosen.is_on_cuda) == (("cpu",), False)
    assert why.startswith("the CPU: cuda:0 has 1.05 MB free, and the models need a GPU with ")


def test_without_a_gpu_it_is_the_cpu(auto: ServiceConfig, catalog: Catalog) -> None:
    def none() -> list[CudaDevice]:
        raise NoCudaError("PyTorch 2.13.0+cpu here is built without CUDA")

    chosen, why = on_chosen_device(auto, catalog, none)
    assert (chosen.devices, why) == (("cpu",), "the CPU: PyTorch 2.13.0+cpu here is built without CUDA")
    assert on_chosen_device(auto, catalog, probed())[1] == "the CPU: PyTorch sees no GPU"


def test_a_model_that_several_share_takes_several(catalog_file: Path, catalog: Catalog) -> None:
    auto = config(catalog_file, devices=("auto",), tensor_parallel=2, accelerations=frozenset())
    third = CudaDevice("cuda:2", "Large", 80 << 30)
    assert on_chosen_device(auto, catalog, probed(SMALL, LARGE, third))[0].devices == ("cuda:1", "cuda:2")
    assert on_chosen_device(auto, catalog, probed(SMALL, LARGE))[0].devices == ("cpu", "cpu")


def test_a_device_that_somebody_has_named_stays(catalog_file: Path, catalog: Catalog) -> None:
    named = config(catalog_file, devices=("cuda:7",))
    assert on_chosen_device(named, catalog, probed(LARGE)) == (named, "")


def test_settings_are_checked_once_the_device_is_known(catalog_file: Path, catalog: Catalog) -> None:
    auto = config(catalog_file, devices=("auto",), max_num_seqs=600, max_num_batched_tokens=0)
    assert on_chosen_device(auto, catalog, probed(LARGE))[0].engine_bounds.max_num_batched_tokens == 2048
    with pytest.raises(ConfigError, match="--max-num-batched-tokens 512 is less than"):
        on_chosen_device(auto, catalog, probed())


def test_a_small_model_on_a_gpu_that_was_chosen_has_the_cpu_to_fall_back_to(
    auto: ServiceConfig, catalog_file: Path, catalog: Catalog
) -> None:
    (engine,) = engine_configs(on_chosen_device(auto, catalog, probed(LARGE))[0], catalog[MODEL], catalog)
    assert engine.device == "cuda:1"
    assert engine.fallback is not None
    assert (engine.fallback.device, engine.fallback.fallback) == ("cpu", None)
    (named,) = engine_configs(config(catalog_file, devices=("cuda:1",)), catalog[MODEL], catalog)
    assert named.fallback is None


def test_auto_stands_alone() -> None:
    assert parse_devices("auto") == ("auto",)
    with pytest.raises(DeviceError, match="auto chooses by itself"):
        parse_devices("auto,cuda:1")


def test_this_machine_has_an_answer() -> None:
    try:
        assert cuda_devices()
    except NoCudaError as error:
        reason = str(error)
        assert reason


@pytest.mark.asyncio(loop_scope="session")
async def test_the_greeting_says_which_and_why(auto: ServiceConfig, capsys: pytest.CaptureFixture[str]) -> None:
    async with run_service(auto) as running:
        device = running.engine.config.device
    lines = capsys.readouterr().out.splitlines()
    told = lines.index(next(line for line in lines if line.startswith("chosen by --device auto: ")))
    assert lines[told + 1] == f"loading {MODEL} on {device} ..."
