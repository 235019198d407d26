"""Runs a config file of Ray Serve's as `serve run` does, in a Ray of its own: on loopback, without its dashboard.

    python -m bench.serving.ray_application FILE

An interrupt ends it with all its processes. Nothing is told to Ray's makers.
"""

import os
import shutil
import sys
import tempfile

OBJECT_STORE_BYTES = 80 << 20
NUM_CPUS = 4
"""What Ray takes the machine to have: replicas ask for one each."""

os.environ |= {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # On a busy machine it would give its proxy up, and start another, again and again.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
    # Else it starts a process for each CPU at once, of which none is used.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
}
os.environ.pop("RAY_ADDRESS", None)


def main() -> None:
    """Starts Ray, and what the command line names in it."""
    import ray
    from ray.serve.scripts import cli

    # Not the test's own folder: the paths of Ray's sockets would be too long.
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        ray.init(
            namespace="serve",
            num_cpus=NUM_CPUS,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        cli(["run", sys.argv[1]], standalone_mode=False)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
