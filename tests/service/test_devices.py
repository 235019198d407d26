"""The devices that a service is told of, and what its engines do there unless somebody says otherwise."""

import dataclasses

import pytest

from service.catalog import load_catalog
from service.config import ConfigError
from service.devices import DeviceError, parse_devices
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import MemoryShare
from service.models.opening import engine_configs
from tests.support.running_service import MODEL, config


@pytest.fixture
def engines_of(catalog_file):
    """What the engines of a model load, with a service's settings."""

    def make(model=MODEL, **settings):
        catalog = load_catalog(catalog_file)
        auto = dict.fromkeys(("max_num_seqs", "max_num_batched_tokens", "kv_cache_memory_mib"), 0)
        return engine_configs(config(catalog_file, **(auto | settings)), catalog[model], catalog)

    return make


def bounds(engine):
    return engine.max_num_seqs, engine.max_num_batched_tokens, engine.kv_cache_memory_mib


@pytest.mark.parametrize(
    ("names", "devices"),
    [
        ("cpu", ("cpu",)),
        ("cuda", ("cuda",)),
        ("0,1", ("cuda:0", "cuda:1")),
        ("cuda:3, 0", ("cuda:3", "cuda:0")),
        ("cpu,cpu", ("cpu", "cpu")),
    ],
)
def test_a_number_is_a_cuda_device(names, devices):
    assert parse_devices(names) == devices


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (",", "name at least one device"),
        ("cpu,0", "cpu, cuda:0 are of several kinds"),
        ("cuda,1,0", "cuda:0 is named twice"),
    ],
)
def test_devices_that_make_no_sense_are_refused(names, message):
    with pytest.raises(DeviceError, match=message):
        parse_devices(names)


def test_what_nobody_says_depends_on_the_device(engines_of):
    assert bounds(*engines_of()) == (64, 512, 512)
    assert bounds(*engines_of(devices=("cuda",))) == (256, 2048, 0)
    given = {"max_num_seqs": 7, "max_num_batched_tokens": 100, "kv_cache_memory_mib": 4096}
    assert bounds(*engines_of(**given)) == bounds(*engines_of(devices=("cuda",), **given)) == (7, 100, 4096)


def test_bounds_that_contradict_each_other_are_refused_by_the_devices_own(catalog_file):
    with pytest.raises(ConfigError, match="--max-num-batched-tokens 512 is less than --max-num-seqs 600"):
        config(catalog_file, max_num_seqs=600, max_num_batched_tokens=0)
    config(catalog_file, max_num_seqs=600, max_num_batched_tokens=0, devices=("cuda",))


def test_models_share_a_gpu_and_a_stand_in_takes_none_of_it(engines_of):
    settings = {"devices": ("cuda",), "models": (MODEL, "@x/other"), "stand_in": "@runstream/demo"}
    (engine,) = engines_of(gpu_memory_utilization=0.8, memory_budget_mib=5000, **settings)
    assert engine.memory_share == MemoryShare(utilization=0.8, budget_mib=5000, num_engines=2)
    (stand_in,) = engines_of("@runstream/demo", **settings)
    assert stand_in.kv_cache_memory_mib == 512
    (asked_for,) = engines_of("@runstream/demo", **(settings | {"models": ("@runstream/demo",)}))
    assert asked_for.kv_cache_memory_mib == 0


def test_each_device_has_an_engine_and_they_differ_in_nothing_else(engines_of):
    first, second = engines_of(devices=("cuda:0", "cuda:1"))
    assert (first.device, second.device) == ("cuda:0", "cuda:1")
    assert dataclasses.replace(first, device="cuda:1") == second


def test_devices_can_share_a_model_in_groups(engines_of):
    first, second = engines_of(devices=("cuda:0", "cuda:1", "cuda:2", "cuda:3"), tensor_parallel=2)
    assert (first.devices, second.devices) == (("cuda:0", "cuda:1"), ("cuda:2", "cuda:3"))


def test_devices_that_do_not_make_whole_groups_are_refused(catalog_file):
    with pytest.raises(ConfigError, match="there are 3: cpu, cpu, cpu"):
        config(catalog_file, devices=("cpu", "cpu", "cpu"), tensor_parallel=2)


@pytest.mark.parametrize("way", [way for way in Acceleration if way is not Acceleration.ATTENTION])
def test_what_was_never_tried_with_a_shared_model_is_refused(catalog_file, way):
    ways = frozenset({way, Acceleration.ATTENTION})
    with pytest.raises(ConfigError, match=f"--accelerate: {way} can't be used where several devices share a model"):
        config(catalog_file, devices=("cpu", "cpu"), tensor_parallel=2, accelerations=ways)


def test_activations_are_rounded_on_a_cpu_if_somebody_says_so(engines_of):
    (by_default,), (rounded,) = engines_of(), engines_of(activation_dtype="int8", dtype="bfloat16")
    assert (by_default.activation_dtype, rounded.activation_dtype) == ("auto", "int8")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"devices": ("cuda:0",)}, "--activation-dtype int8 is for models on the CPU"),
        ({"dtype": "float32"}, "--activation-dtype int8 does not go with --dtype float32: give bfloat16 or float16"),
    ],
)
def test_activations_that_would_not_be_rounded_are_refused(engines_of, settings, message):
    with pytest.raises(ConfigError, match=message):
        engines_of(activation_dtype="int8", **settings)
