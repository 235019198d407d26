"""What the documents name is there: files, headings, modules and commands."""

import re
from functools import partial

import pytest

from scripts.torch_build import CPU_FROM_PYTORCH, CUDA, MACOS
from tests.support.repository import FILES, ROOT

DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
OF_TODAY = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]  # which also names what is no more
FOLDERS = {path.relative_to(ROOT).parts[0] for path in FILES if path.parent != ROOT}
NAMES = {path.name for path in FILES}
SUFFIXES = (".py", ".md", ".proto", ".jsonc", ".mjs", ".js", ".capnp")
# Whose names between backticks are the code's own.
OF_THE_CODE = [ROOT / "ARCHITECTURE.md", ROOT / "docs/engine.md"]
PACKAGES = {path.relative_to(ROOT).parts[0] for path in FILES if path.suffix == ".py" and path.parent != ROOT}


def prose(path):
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(path):
    """The targets of the links to files of this repository, each without and with the place in it."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    return [link.partition("#")[::2] for link in found if "://" not in link]


def anchors(path):
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named_paths(path):
    """What stands between backticks and names a file or a folder from the root of the repository on."""
    spans = re.findall(r"`([\w./-]+)`", prose(path))
    return [span for span in spans if "/" in span and span.split("/")[0] in FOLDERS]


def named_files(path):
    """What stands between backticks and is a file's name without its folder."""
    spans = re.findall(r"`([\w.-]+)`", prose(path))
    return [span for span in spans if span.endswith(SUFFIXES) and not span.startswith(".")]


def named_modules(path):
    """What stands between backticks and names a module, or something in one: `service.engine.forward`."""
    spans = re.findall(r"`(\w+(?:\.\w+)+)(?:\(\))?`", prose(path))
    return [span for span in spans if span.split(".")[0] in PACKAGES and not span.endswith((*SUFFIXES, ".txt"))]


def run_modules(path):
    """The modules of this repository that a document runs."""
    modules = re.findall(r"python3? -m (\w[\w.]*\w)", path.read_text())
    return [module for module in modules if module.split(".")[0] in PACKAGES]


def is_there(name):
    """Whether a path exists; modules are named without their suffix."""
    return (ROOT / name).exists() or (ROOT / f"{name}.py").exists()


def is_defined(name):
    """Whether there is a module of this name, or one that has its last part."""
    module, _, last = name.rpartition(".")
    source = ROOT / f"{module.replace('.', '/')}.py"
    definition = rf"^(?:class |(?:async )?def )?{last}\b"
    is_within = source.exists() and re.search(definition, source.read_text(), flags=re.MULTILINE)
    return bool(is_there(name.replace(".", "/")) or is_within)


def is_run(name):
    """Whether `python -m` runs a module."""
    source = ROOT / name.replace(".", "/")
    paths = [source / "__main__.py", source.with_name(f"{source.name}.py")]
    return any(path.exists() and '__name__ == "__main__"' in path.read_text() for path in paths)


def test_there_are_documents_to_look_at():
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "compatibility.md"} <= {path.name for path in DOCUMENTS}


each_of = partial(pytest.mark.parametrize, "path", ids=lambda path: str(path.relative_to(ROOT)))


@each_of(argvalues=DOCUMENTS)
def test_links_lead_to_files_and_to_headings_in_them(path):
    targets = [((path.parent / name).resolve() if name else path, anchor) for name, anchor in links(path)]
    assert not [target for target, _ in targets if not target.exists()]
    assert not [(target.name, anchor) for target, anchor in targets if anchor and anchor not in anchors(target)]


@each_of(argvalues=OF_TODAY)
def test_files_and_folders_between_backticks_exist(path):
    assert not [name for name in named_paths(path) if not is_there(name)]
    assert not [name for name in named_files(path) if name not in NAMES]


@each_of(argvalues=OF_TODAY)
def test_commands_name_targets_and_modules_that_exist(path):
    text = path.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, flags=re.MULTILINE)) - targets == set()
    assert not [name for name in run_modules(path) if not is_run(name)]


@each_of(argvalues=OF_TODAY)
def test_modules_between_backticks_exist(path):
    assert not [name for name in named_modules(path) if not is_defined(name)]


@each_of(argvalues=OF_THE_CODE)
def test_names_between_backticks_are_those_of_the_code(path):
    files = [file for file in FILES if file.suffix in (".py", ".proto")]
    known = {file.stem for file in files}.union(*(re.findall(r"\w+", file.read_text()) for file in files))
    spans = re.findall(r"`([A-Za-z][\w.]*[^\W_])(?:\(\))?`", prose(path))
    assert not [span for span in spans if not span.endswith(SUFFIXES) and not known.issuperset(span.split("."))]


@pytest.mark.parametrize("name", ["service.engine.servicer", "service.errors.NoSuchError", "bench.engine_batch"])
def test_a_module_that_is_gone_is_not_there(name):
    assert not is_defined(name)
    assert not is_run(name)


def size(megabytes):
    """As people write it."""
    return f"{megabytes} MB" if megabytes < 500 else f"{megabytes / 1000:.1f} GB"


def test_the_quickstart_tells_the_sizes_that_setting_up_tells():
    pattern = r"^\| ([\w ]+) \| about ([\d.]+ .B) \| (?:about )?([\d.]+ .B) \|$"
    rows = re.findall(pattern, (ROOT / "docs/quickstart.md").read_text(), flags=re.MULTILINE)
    builds = {"no NVIDIA driver": CPU_FROM_PYTORCH, "with CUDA": CUDA, "macOS": MACOS}
    assert rows == [(name, size(build.download_mb), size(build.disk_mb)) for name, build in builds.items()]


def stops():
    """The file and the name at each stop of the tour."""
    return re.findall(r"^### \d+\. `([\w./]+)`, `([\w.]+)`$", (ROOT / "docs/tour.md").read_text(), flags=re.MULTILINE)


def test_the_tour_has_its_stops_in_order():
    numbers = re.findall(r"^### (\d+)\. ", (ROOT / "docs/tour.md").read_text(), flags=re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, len(stops()) + 1))


@pytest.mark.parametrize(("path", "name"), stops())
def test_each_stop_of_the_tour_names_what_is_there(path, name):
    source = (ROOT / path).read_text()
    for part in name.split("."):
        found = re.search(rf"^ *(?:class|def|async def|[\w:]+) {part}\b", source, flags=re.MULTILINE)
        assert found, f"{path} has no {part}"
        source = source[found.end() :]
