"""The application that Ray Serve builds from its config file, see deploy/ray."""

from typing import Any, Final

from ray import serve

from service.config import ServiceConfig
from service.devices import CUDA_BOUNDS
from service.ray_serve.options import config_of
from service.ray_serve.replica import Replica

# A call ends within its deadline, 120 s if nothing else is asked for; then its replica may end.
_DRAIN_S: Final = 150.0


def build(arguments: dict[str, Any]) -> serve.Application:
    """Builds the application: one deployment, all of whose replicas have the same models.

    Args:
        arguments: The options of `python -m service` by their names, with underscores.

    Raises:
        ConfigError: An option is unknown, has a wrong value, or is not the replica's to say.
    """
    config = config_of(arguments)
    deployment = serve.deployment(
        Replica,
        name="Service",
        max_ongoing_requests=_most_requests(config),
        graceful_shutdown_timeout_s=_DRAIN_S,
        graceful_shutdown_wait_loop_s=1.0,
    )
    return deployment.bind(config)


def _most_requests(config: ServiceConfig) -> int:
    """What a replica runs and lets wait. It refuses more itself, and says when to come again."""
    return (config.max_num_seqs or CUDA_BOUNDS.max_num_seqs) + config.max_waiting
