"""Several services behind one bridge: which one gets a call, and when another one is asked instead."""

import hashlib
import json
import os
import re
from typing import Any, Final

from aiohttp import web

# By its hash a call is given to a service: that of a session, or of an account's batches.
SESSION_HEADER: Final = "x-session-affinity"

_METADATA: Final = re.compile(r"[ -~]{1,128}")

# Once a part was sent gRPC tries nothing again. Of batches the service that keeps them has to be asked.
_CALLS: Final[dict[str, Any]] = {
    "name": [{"service": "runstream.v1.TextGenerationService"}, {"service": "runstream.v1.ModelService"}],
    "retryPolicy": {
        "maxAttempts": 3,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    },
}

IN_TURN: Final[dict[str, Any]] = {"round_robin": {}}
BY_SESSION: Final[dict[str, Any]] = {"ring_hash_experimental": {"requestHashHeader": SESSION_HEADER}}

# gRPC reads the header of a call that the hash is of (gRFC A76) only where this is set.
os.environ.setdefault("GRPC_EXPERIMENTAL_RING_HASH_SET_REQUEST_HASH_KEY", "true")


def is_balanced(service: str) -> bool:
    """Whether `--service` names several services, or a name that may have several addresses."""
    return service.startswith("dns:") or "," in service


def to_target(service: str) -> str:
    """The gRPC target for what `--service` says: several addresses are one target."""
    if "," not in service or service.startswith(("ipv4:", "ipv6:")):
        return service
    return ("ipv6:" if service.startswith("[") else "ipv4:") + service


def balanced_options(policy: dict[str, Any]) -> tuple[tuple[str, str | int], ...]:
    """The options of a channel to several services: those that say that they don't serve get no calls.

    Args:
        policy: The load balancing policy, as it stands in a service config.
    """
    config = {"loadBalancingConfig": [policy], "healthCheckConfig": {"serviceName": ""}, "methodConfig": [_CALLS]}
    return (
        ("grpc.service_config", json.dumps(config)),
        # A call that is longer is not tried again.
        ("grpc.per_rpc_retry_buffer_size", 4 << 20),
        # Services that have come are found when a connection ends, see --max-connection-age-s of theirs.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    )


def session_of(http_request: web.Request) -> str:
    """A request's session as metadata may have it: its hash if that can't be, empty if it names none."""
    said = http_request.headers.get(SESSION_HEADER, "")
    if not said or _METADATA.fullmatch(said):
        return said
    return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()
