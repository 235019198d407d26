"""The configurations of Envoy: that it takes them, and that those with TLS differ from those without in TLS only."""

import subprocess

import pytest

from tests.support.repository import ROOT
from tests.support.running_envoy import FOLDER, envoy_command, host_of, read_settings

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
VARIANTS = [("services", "services-tls"), ("services", "services-mtls"), ("bridges", "bridges-tls")]


def test_there_is_one_for_each_server_and_for_each_way_to_be_secure():
    assert NAMES == ["bridges", "bridges-tls", "services", "services-mtls", "services-tls"]


@pytest.mark.parametrize("name", NAMES)
def test_envoy_takes_it_without_a_warning(name, tmp_path):
    text = (FOLDER / f"{name}.yaml").read_text().replace("/etc/runstream/envoy", str(FOLDER))
    path = tmp_path / "envoy.yaml"
    path.write_text(text)
    command = [envoy_command(), "--mode", "validate", "-c", path, "--log-level", "warning"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.endswith("OK\n")


def without_tls(settings):
    """A configuration without what says where servers are and how they are trusted."""
    host_of(settings)["domains"] = []
    (listener,) = settings["static_resources"]["listeners"]
    listener.pop("address")
    listener["filter_chains"][0].pop("transport_socket", None)
    for cluster in settings["static_resources"]["clusters"]:
        cluster.pop("transport_socket", None)
        (group,) = cluster["load_assignment"]["endpoints"]
        group["lb_endpoints"] = len(group["lb_endpoints"])
    return settings


@pytest.mark.parametrize(("plain", "secure"), VARIANTS)
def test_with_tls_it_is_the_same(plain, secure):
    assert without_tls(read_settings(plain)) == without_tls(read_settings(secure))


@pytest.mark.parametrize("name", [secure for _, secure in VARIANTS])
def test_each_listener_and_each_server_has_tls(name):
    settings = read_settings(name)
    (listener,) = settings["static_resources"]["listeners"]
    sockets = [chain["transport_socket"] for chain in listener["filter_chains"]]
    sockets += [cluster["transport_socket"] for cluster in settings["static_resources"]["clusters"]]
    assert {socket["name"] for socket in sockets} == {"envoy.transport_sockets.tls"}


@pytest.mark.parametrize("name", [plain for plain, _ in VARIANTS[1:]])
def test_without_tls_it_listens_and_asks_on_this_machine_only(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    addresses = [line for line in text.splitlines() if "socket_address" in line]
    assert all("{address: 127.0.0.1," in line for line in addresses)


def test_each_is_told_of_in_the_document():
    told = (ROOT / "docs/scale.md").read_text()
    assert not [name for name in NAMES if f"deploy/envoy/{name}.yaml" not in told]
