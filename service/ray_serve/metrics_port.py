"""Where a replica has its metrics, which it shares its machine's ports with others for."""

from dataclasses import replace
from typing import Final

from service.config import ConfigError, ServiceConfig
from service.rpc.ports import check_port

MAX_REPLICAS: Final = 64


def with_free_metrics_port(config: ServiceConfig) -> ServiceConfig:
    """A config with the first free port from its own one on; 0 stays.

    Raises:
        ConfigError: The next `MAX_REPLICAS` are in use.
    """
    first = config.metrics_port
    if not first:
        return config
    for port in range(first, min(first + MAX_REPLICAS, 65_536)):
        try:
            check_port(config.host, port, "metrics_port")
        except ConfigError:
            continue
        return replace(config, metrics_port=port)
    raise ConfigError(f"metrics_port: {first} and the {MAX_REPLICAS - 1} after it are in use, choose another")
