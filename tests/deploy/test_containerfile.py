"""The image's recipe: what it is built of, whom it runs as, and that its commands do what they should."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
from dockerfile_parse import DockerfileParser

from bridge.__main__ import main as bridge_main
from bridge.config import Config
from service.__main__ import main as service_main
from tests.support.repository import ROOT

TEXT = (ROOT / "Containerfile").read_text()
IGNORED = (ROOT / ".containerignore").read_text().splitlines()


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """The instructions, each with its value, by stages."""
    parser = DockerfileParser(str(tmp_path_factory.mktemp("parsed")))
    parser.content = TEXT
    stages: list[list[tuple[str, str]]] = [[]]
    for step in parser.structure:
        if step["instruction"] == "FROM":
            stages.append([])
        if step["instruction"] != "COMMENT":
            stages[-1].append((step["instruction"], step["value"]))
    return stages


def values(stage, instruction):
    """What stands behind each of an instruction's occurrences."""
    return [value for name, value in stage if name == instruction]


def copied(stage):
    """The files that a stage copies from the checkout."""
    found = [value.split() for value in values(stage, "COPY") if not value.startswith("--from")]
    return [source for words in found for source in words[:-1]]


def test_there_is_a_stage_that_builds_and_one_that_runs(steps):
    before, build, run = steps
    assert (len(values(build, "FROM")), len(values(run, "FROM"))) == (1, 1)
    assert {name for name, _ in before} == {"ARG"}


def test_the_base_image_is_pinned_by_its_whole_version(steps):
    (image,) = values(steps[0], "ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=docker\.io/library/python:3\.\d+\.\d+-slim-\w+", image)
    for stage in steps[1:]:
        assert values(stage, "FROM")[0].split()[0] == "${PYTHON_IMAGE}"


def test_it_runs_as_a_user_without_rights(steps):
    run = steps[2]
    (user,) = values(run, "USER")
    uid, gid = map(int, user.split(":"))
    assert uid >= 1000
    assert gid >= 1000
    order = [name for name, _ in run]
    assert "RUN" not in order[order.index("USER") :]
    (added,) = values(run, "RUN")
    assert f"--uid {uid} " in added
    assert "nologin" in added


def test_nothing_is_fetched_but_pinned_packages(steps):
    commands = [value for stage in steps for value in values(stage, "RUN")]
    assert not [value for stage in steps for value in values(stage, "ADD")]
    assert not re.search(r"\b(curl|wget|git|apt-get|apt|sudo)\b", " ".join(commands))
    for install in re.findall(r"pip install[^&\n]*", " ".join(commands)):
        assert "--constraint constraints.txt" in install


def test_what_it_copies_is_there_and_not_ignored(steps):
    sources = copied(steps[1])
    assert "service" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in IGNORED
    assert not copied(steps[2])
    assert IGNORED[1] == "*"
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def test_every_package_is_copied(steps):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {settings["package-dir"].get(name.split(".")[0], name.split(".")[0]) for name in settings["packages"]}
    sources = copied(steps[1])
    assert not {name for name in folders if not any(Path(name).is_relative_to(source) for source in sources)}


def test_commands_are_lists_so_that_signals_reach_the_server(steps):
    run = steps[2]
    assert json.loads(values(run, "ENTRYPOINT")[0]) == ["python", "-m"]
    assert json.loads(values(run, "CMD")[0])[0] == "service"
    assert values(run, "STOPSIGNAL") == ["SIGTERM"]
    (check,) = values(run, "HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2])[:2] == ["sh", "-c"]


def test_the_ports_are_those_that_the_servers_take(steps):
    defaults = {parameter.name: parameter.default for parameter in service_main.params}
    expected = {defaults["port"], defaults["metrics_port"], Config.port}
    assert set(map(int, values(steps[2], "EXPOSE")[0].split())) == expected


@pytest.mark.parametrize(
    ("pid_1", "asked"),
    [
        ("python\0-m\0bridge\0--port\0008080\0", "bridge"),
        ("python\0-m\0service\0--host\0bridge.example\0", "service"),
        ("/sbin/docker-init\0--\0python\0-m\0bridge\0", "bridge"),
    ],
)
def test_the_health_check_asks_the_server_that_runs(steps, tmp_path, pid_1, asked):
    shell, flag, script = json.loads(values(steps[2], "HEALTHCHECK")[0].partition("CMD ")[2])
    (tmp_path / "cmdline").write_text(pid_1)
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [shell, flag, script.replace("/proc/1/cmdline", str(tmp_path / "cmdline"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"-m {asked} health\n"
    main = bridge_main if asked == "bridge" else service_main
    assert "health" in main.list_commands(click.Context(main))


def test_another_build_of_torch_is_refused(steps):
    (choice,) = [value for value in values(steps[1], "RUN") if "TORCH" in value]
    done = subprocess.run(["sh", "-c", choice], env={"TORCH": "rocm"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "TORCH is rocm: give cpu or cuda\n")


@pytest.mark.stress
def test_its_commands_install_servers_that_run_elsewhere(steps, tmp_path):
    """Those of the build stage, in a new folder; torch is of the index that pip is set up with here."""
    build, installed = tmp_path / "build", tmp_path / "runstream"
    build.mkdir()
    for name, value in steps[1]:
        if name == "COPY":
            *sources, target = value.split()
            for source in sources:
                place = build / target if len(sources) == 1 and target != "./" else build / source
                place.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place)
        if name == "RUN":
            command = value.replace("/opt/runstream", str(installed)).replace('--index-url "$index"', "")
            subprocess.run(["sh", "-ec", command], cwd=build, env={**os.environ, "TORCH": "cpu"}, check=True)
    shutil.rmtree(build)
    for server in ("service", "bridge"):
        asked = [installed / "bin/python", "-m", server, "--help"]
        assert "Usage: python -m" in subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True).stdout
    answer = [installed / "bin/python", "-m", "service", "verify", "@runstream/demo"]
    subprocess.run(answer, cwd=tmp_path, check=True)
