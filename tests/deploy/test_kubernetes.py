"""The manifests for Kubernetes: its API takes them, the programs take their options, and they fit together."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bridge.__main__ import main as bridge_main
from bridge.config import Config
from bridge.server import LAST_WORDS_S
from service.__main__ import main as service_main
from service.metrics import Metrics
from tests.support.repository import ROOT

FOLDER = ROOT / "deploy/kubernetes"
OLDEST = "1.31"
COMMANDS = {"service": service_main, "bridge": bridge_main}

Manifest = dict[str, Any]


def manifests(path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text()))


KUSTOMIZATION = manifests(FOLDER / "kustomization.yaml")[0]
ALL = [manifest for name in KUSTOMIZATION["resources"] for manifest in manifests(FOLDER / name)]
SERVERS = [manifest for manifest in ALL if manifest["kind"] in ("StatefulSet", "Deployment")]
each_server = pytest.mark.parametrize("server", SERVERS, ids=lambda server: server["metadata"]["name"])


def of_kind(kind):
    return [manifest for manifest in ALL if manifest["kind"] == kind]


def container_of(server):
    (container,) = server["spec"]["template"]["spec"]["containers"]
    return container


def settings_of(server):
    """The settings that a server's arguments make, as the program reads them."""
    name, *options = container_of(server)["args"]
    context = COMMANDS[name].make_context(name, options)
    return context.params


def labels_of(server):
    return server["spec"]["template"]["metadata"]["labels"]


def test_the_kustomization_has_all_files():
    assert sorted([*KUSTOMIZATION["resources"], "kustomization.yaml"]) == sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("manifest", ALL, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_the_api_takes_it(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


@each_server
def test_its_program_takes_its_options(server):
    settings = settings_of(server)
    assert settings["host"] == "0.0.0.0"
    ports = {port["name"]: port["containerPort"] for port in container_of(server)["ports"]}
    defaults = {"http": Config.port, "grpc": settings.get("port"), "metrics": settings.get("metrics_port")}
    assert ports == {name: defaults[name] for name in ports}


@each_server
def test_it_gets_longer_to_end_than_it_drains(server):
    settings, pod = settings_of(server), server["spec"]["template"]["spec"]
    sleep_s = container_of(server).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drain_s = settings["drain_timeout_s"] if "drain_timeout_s" in settings else settings["shutdown_grace_s"]
    assert pod["terminationGracePeriodSeconds"] >= sleep_s + drain_s + LAST_WORDS_S + 10
    assert drain_s >= Config.deadline_s


@each_server
def test_it_runs_as_the_images_user_without_rights(server):
    (uid,) = re.findall(r"^USER (\d+):\d+$", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)
    assert server["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == int(uid)
    assert container_of(server)["securityContext"]["readOnlyRootFilesystem"] is True
    assert container_of(server)["image"] == KUSTOMIZATION["images"][0]["name"]


@each_server
def test_its_files_of_tokens_are_in_its_secret(server):
    settings, container = settings_of(server), container_of(server)
    (place,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "tokens"]
    paths = [settings["token_file"], *([settings["service_token_file"]] if "service_token_file" in settings else [])]
    assert {str(path.parent) for path in paths} == {place}
    volumes = {volume["name"]: volume for volume in server["spec"]["template"]["spec"]["volumes"]}
    secret = volumes["tokens"]["secret"]["secretName"]
    (told,) = re.findall(rf"create secret generic {secret} (.*)", (ROOT / "docs/scale.md").read_text())
    assert {path.name for path in paths} == set(re.findall(r"--from-file=(\S+)", told))


@each_server
def test_what_selects_it_finds_it(server):
    name, labels = server["metadata"]["name"], labels_of(server)
    assert server["spec"]["selector"]["matchLabels"] == labels
    assert [each for each in of_kind("Service") if each["spec"]["selector"] == labels]
    assert [each for each in of_kind("PodDisruptionBudget") if each["spec"]["selector"]["matchLabels"] == labels]
    (scaler,) = [each for each in of_kind("HorizontalPodAutoscaler") if each["metadata"]["name"] == name]
    assert scaler["spec"]["scaleTargetRef"] == {key: server[key] for key in ("apiVersion", "kind")} | {"name": name}


def test_bridges_ask_the_headless_service_and_are_let_in():
    service, bridge = SERVERS
    (headless,) = [each for each in of_kind("Service") if each["spec"].get("clusterIP") == "None"]
    port = headless["spec"]["ports"][0]["port"]
    assert settings_of(bridge)["service"] == f"dns:///{headless['metadata']['name']}:{port}"
    assert headless["metadata"]["name"] == service["spec"]["serviceName"]
    (policy,) = of_kind("NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"] == labels_of(service)
    assert policy["spec"]["ingress"][0]["from"] == [{"podSelector": {"matchLabels": labels_of(bridge)}}]


def test_services_are_scaled_by_metrics_that_they_have():
    known = {metric.name for metric in Metrics().registry.collect()}
    (scaler,) = [each for each in of_kind("HorizontalPodAutoscaler") if each["metadata"]["name"] == "runstream-service"]
    named = {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert named <= known
    assert len(named) == 2


def test_the_models_that_are_served_are_fetched():
    (job,) = of_kind("Job")
    args = container_of(job)["args"]
    assert set(settings_of(SERVERS[0])["models"]) <= set(args)
    context = service_main.make_context("service", args[1:])
    pull = service_main.get_command(context, "pull")
    assert pull is not None
    pull.make_context("pull", args[2:], parent=context)
