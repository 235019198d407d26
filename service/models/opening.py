"""From a config to the models that it asks for."""

from dataclasses import replace
from pathlib import Path

from service.catalog import Catalog, CatalogModel
from service.catalog_adapters import load_catalog_with_adapters
from service.checkpoints.locate import locate
from service.checkpoints.need import Budget, available_ram_bytes, need_of
from service.checkpoints.quantization import best_stored
from service.config import ConfigError, ServiceConfig
from service.devices import CPU_BOUNDS, is_cuda
from service.engine_client.child import ENGINE_COMMAND, Spawner
from service.engine_client.handle import EngineHandle
from service.engine_client.process import EngineProcess
from service.engine_client.replicas import Replicas
from service.engine_protocol.engine_config import AdapterSource, EngineConfig, MemoryShare
from service.models.load_policy import LoadPolicy
from service.models.loader import Loader
from service.models.loading import LoadableModel
from service.models.models import Models

_MOST_FALLBACK_BYTES = 4 << 30
"""The weights of the largest model that the CPU serves in a GPU's place: more would answer too slowly to be of use."""


def catalog_of(config: ServiceConfig) -> Catalog:
    """What there is, with the command line's adapters; those that name no base are for the one model that is served.

    Raises:
        CatalogError: A file can't be read or has a mistake, or an adapter can't be one.
        ConfigError: An adapter names no base, and there are several models.
    """
    only = config.models[0] if len(config.models) == 1 else ""
    adapters = [replace(adapter, base=adapter.base or only) for adapter in config.lora_modules]
    if nameless := [adapter.name for adapter in adapters if not adapter.base]:
        raise ConfigError(
            f"--lora-modules {nameless[0]}: which of {len(config.models)} models is its base? Write it as JSON with "
            "name, path and base_model_name"
        )
    return load_catalog_with_adapters(*config.catalog_files, others=adapters)


def open_models(config: ServiceConfig, catalog: Catalog, spawner: Spawner | None = None) -> Models:
    """The models that a config asks for, not loaded yet.

    Args:
        config: The settings.
        catalog: What there is.
        spawner: Starts the engines' processes; None for one of the config's own.

    Raises:
        ConfigError: The catalog does not name one of them, or this version can't load it.
        WeightsMissingError: None of them has weights on this machine.
    """
    policy = LoadPolicy(
        on_use=config.load == "on-use",
        wait_s=config.load_wait_s,
        unload_idle_s=config.unload_idle_s,
        max_waiting=config.max_waiting,
    )

    spawner = spawner or Spawner(config.engine_command or ENGINE_COMMAND)

    def open_model(entry: CatalogModel) -> LoadableModel:
        return _open_model(config, entry, catalog, spawner)

    loader = Loader(policy, Budget(config.devices, config.memory_budget_mib))
    models = Models(catalog, config.stand_in, loader, open_model)
    for model_id in config.models_to_load:
        if model_id not in catalog:
            raise ConfigError(f"the catalog has no model {model_id} to load, only {', '.join(catalog)}")
        if parent := catalog[model_id].parent:
            raise ConfigError(f"{model_id} is a LoRA adapter, which is loaded with its base: name {parent} instead")
        models.open(model_id)
    if not models.opened:
        raise next(iter(models.not_here.values()))
    return models


def _open_model(config: ServiceConfig, entry: CatalogModel, catalog: Catalog, spawner: Spawner) -> LoadableModel:
    engines = [
        EngineProcess(
            engine_config,
            config.max_waiting,
            config.max_waiting_tokens,
            config.stall_timeout_s,
            config.stall_kill_s,
            spawner,
            config.max_wait_s,
            config.stream_interval,
        )
        for engine_config in engine_configs(config, entry, catalog)
    ]
    engine: EngineHandle = engines[0] if len(engines) == 1 else Replicas(engines)
    return LoadableModel(entry, engine, loads_on_use=config.load == "on-use")


def engine_configs(config: ServiceConfig, entry: CatalogModel, catalog: Catalog) -> list[EngineConfig]:
    """What a model's engines load, one on each device, or on several that share the model.

    Args:
        config: The settings.
        entry: The model.
        catalog: Has its adapters.

    Raises:
        WeightsMissingError: It has no weights here.
    """
    bounds = config.engine_bounds
    kv_cache_memory_mib = bounds.kv_cache_memory_mib
    if entry.id not in config.models and entry.id == config.stand_in:
        # It is a help and not what the GPU is for: it takes no share of it from the models that are.
        kv_cache_memory_mib = kv_cache_memory_mib or CPU_BOUNDS.kv_cache_memory_mib
    one = EngineConfig(
        checkpoint=best_stored(locate(entry), entry.quantization),
        dtype=config.dtype or entry.dtype,
        quantization=entry.quantization,
        activation_dtype=config.activation_dtype,
        max_num_seqs=bounds.max_num_seqs,
        max_num_batched_tokens=bounds.max_num_batched_tokens,
        kv_cache_memory_mib=kv_cache_memory_mib,
        num_threads=config.num_threads,
        accelerations=config.accelerations or frozenset(),
        is_accelerated_by_trial=config.accelerations is None and config.trials == "at-load",
        memory_share=MemoryShare(
            utilization=config.gpu_memory_utilization,
            budget_mib=config.memory_budget_mib,
            num_engines=max(1, len(config.models)),
        ),
        context_window=entry.context_window,
        log_format=config.log_format,
        speculative=config.speculative,
        has_trials=config.trials == "at-load",
        adapters=tuple(AdapterSource(it.id, Path(it.adapter)) for it in catalog.values() if it.parent == entry.id),
    )
    starts = range(0, len(config.devices), config.tensor_parallel)
    groups = [config.devices[start : start + config.tensor_parallel] for start in starts]
    placed = [replace(one, device=first, other_devices=tuple(others)) for first, *others in groups]
    return [replace(it, fallback=_fallback(config, it)) for it in placed]


def _fallback(config: ServiceConfig, engine: EngineConfig) -> EngineConfig | None:
    """The same on the CPU, if the device was chosen by ourselves and the model is small enough for that."""
    if not config.is_device_chosen or not is_cuda(engine.device) or engine.other_devices:
        return None
    if need_of(engine).weights_bytes > min(_MOST_FALLBACK_BYTES, available_ram_bytes() // 2):
        return None
    return replace(
        engine,
        device="cpu",
        max_num_seqs=config.max_num_seqs or CPU_BOUNDS.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens or CPU_BOUNDS.max_num_batched_tokens,
        kv_cache_memory_mib=config.kv_cache_memory_mib or CPU_BOUNDS.kv_cache_memory_mib,
        accelerations=frozenset(),
        is_accelerated_by_trial=False,
    )
