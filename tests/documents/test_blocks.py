"""Every block of code in the documents is run here or elsewhere, or says here why it is not."""

import json
import re
import shutil
import subprocess
import sys

import click
import grpc
import pytest

import bridge.__main__
import service.__main__
from accounts.token_file import read_token_file
from scripts.real_clients import NODE, NODE_FOLDER
from service.catalog_adapters import load_catalog_with_adapters
from tests.support.document_blocks import blocks_of
from tests.support.missing_tools import skip_or_fail
from tests.support.repository import FILES, ROOT

DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in FILES if path.suffix == ".md" and path.parent in (ROOT, ROOT / "docs")
)
# Whose blocks another test follows to the letter, all of them.
FOLLOWED = {
    "docs/clients.md": "tests/clients/test_clients_page.py",
    "docs/stubs.md": "tests/clients/test_clients_page.py",
    "docs/questions.md": "tests/documents/test_questions.py",
}
BLOCKS = [block for document in DOCUMENTS if document not in FOLLOWED for block in blocks_of(document)]
SERVERS = {"service": service.__main__.main, "bridge": bridge.__main__.main}
PYTHON = re.compile(r"(\S*/)?python3?")

# Blocks that are no commands, by their beginning, with what runs or reads them.
OTHERS = {
    " curl, SDKs,    ┌": "a picture",
    "KV cache of @cf/": "what the log says on a GPU; tests/service/models/test_model.py",
    "Llama-3.1-8B in bf16": "what the command above it tells; tests/bench/fleet/test_need.py",
    "what      way ": "what the log says of trials; tests/service/engine/trials/test_choose.py",
    "# account ": "test_the_lines_of_a_token_file_are_read",
    "[adapters.sql]": "test_tables_of_catalogs_are_read",
    '# my-models.toml\n[models."@me/tiny-llama"]': "test_tables_of_catalogs_are_read",
    '{"loadBalancingConfig"': "test_the_service_config_is_taken_by_a_channel",
    "client = Cloudflare(": "test_python_of_the_readme_gets_answers",
    "client = OpenAI(": "test_python_of_the_readme_gets_answers",
    "const client = new Cloudflare(": "test_typescript_of_the_readme_gets_an_answer",
    '"env": { "local"': "test_the_binding_of_the_readme_is_that_of_the_page_for_clients",
    'new="openssl req': "tests/transport/test_certificates.py",
}
# Commands that are not run here, by their beginning, and why. Of those with a path another test runs the like.
NOT_RUN = {
    "git clone": "makes what the tests are in",
    "git worktree": "needs the tag of a release",
    "git commit": "would make a release; tests/packages/test_set_version.py",
    "git tag": "would make a release",
    "cd ": "a step of a command behind it",
    "(cd clients/": "tests/clients/typescript/test_package.py",
    "export HF_TOKEN": "is somebody's own",
    "podman": "needs a container engine; tests/deploy/test_containerfile.py",
    "serve run": "starts a cluster of Ray; tests/deploy/test_ray.py",
    "kubectl": "needs a cluster; tests/deploy/test_kubernetes.py",
    "envoy": "tests/deploy/test_scale_commands.py",
    "bench/gpu/visit.sh": "visits a GPU; tests/bench/gpu/visit/test_main.py",
    "cp -r deploy/systemd": "needs systemd; tests/deploy/test_systemd.py",
    "systemctl": "needs systemd; tests/deploy/test_systemd.py",
    "python3 -m venv": "tests/packages/test_wheel.py",
    "/opt/runstream/bin/pip": "tests/packages/test_wheel.py",
    "pip install": "tests/packages/test_wheel.py",
    "python3 -m pytest tests/gpu": "needs a GPU",
    "curl --unix-socket": "tests/bridge/http/test_unix_socket.py",
    "curl -sN http://127.0.0.1:8000": "tests/deploy/test_scale_commands.py",
    'curl http://127.0.0.1:8080/client/v4/accounts/me/ai/run/@cf/meta/llama-3.1-8b-instruct -d {"prompt": "Count': (
        "needs an adapter; tests/test_lora.py"
    ),
}


def commands_of(blocks):
    """The commands in blocks, each with its document and its words."""
    found = [block for block in blocks if not beginning(block.text, OTHERS)]
    return [(block.document, words) for block in found for words in block.commands()]


def beginning(text, table):
    """The key of a table with which a text begins, if there is one."""
    return next((key for key in table if text.startswith(key)), None)


def is_left_out(words):
    return beginning(" ".join(words), NOT_RUN) is not None


def without_variables(words):
    """A command without the variables that are set before it."""
    return words[next(place for place, word in enumerate(words) if "=" not in word.partition(" ")[0]) :]


COMMANDS = [
    (document, without_variables(words))
    for document, words in commands_of(BLOCKS)
    if not is_left_out(without_variables(words))
]
MODULES = [(document, words[2:]) for document, words in COMMANDS if PYTHON.fullmatch(words[0]) and words[1] == "-m"]
SERVING = [(document, words) for document, words in MODULES if words[0] in SERVERS]
MAKING = [(document, words[1:]) for document, words in COMMANDS if words[0] == "make"]
ASKING = [(document, words) for document, words in COMMANDS if words[0] == "curl"]
RUNNING = [(document, words) for document, words in MODULES if words[0] not in SERVERS]

each = pytest.mark.parametrize


def name_of(case):
    return case if isinstance(case, str) else " ".join(case)[:80]


def test_there_are_blocks_of_every_kind():
    assert min(map(len, (SERVING, MAKING, ASKING, RUNNING))) >= 3


def test_every_command_is_one_that_is_looked_at_below():
    known = [words for _, words in COMMANDS if words[0] in ("make", "curl") or PYTHON.fullmatch(words[0])]
    assert [words for _, words in COMMANDS if words not in known] == []


def test_reasons_name_tests_that_are_there_and_nothing_that_is_gone():
    reasons = [*FOLLOWED.values(), *OTHERS.values(), *NOT_RUN.values()]
    named = [name for reason in reasons for name in re.findall(r"tests/[\w/]+\.py", reason)]
    assert [name for name in named if not (ROOT / name).is_file()] == []
    texts = [block.text for block in BLOCKS]
    assert [key for key in OTHERS if not any(text.startswith(key) for text in texts)] == []
    said = [" ".join(without_variables(words)) for _, words in commands_of(BLOCKS)]
    assert [key for key in NOT_RUN if not any(text.startswith(key) for text in said)] == []


@each(("document", "words"), SERVING, ids=name_of)
def test_options_of_the_servers_are_taken_with_their_values(document, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place, word in enumerate(words):
        if word == "--catalog":
            (tmp_path / words[place + 1]).touch()
    server, *arguments = words
    parse(SERVERS[server], server, arguments)


def parse(command, name, arguments, parent=None):
    """Reads a command line as the server does, without doing anything."""
    context = command.make_context(name, list(arguments), parent)
    rest = [*context._protected_args, *context.args]
    if rest and isinstance(command, click.Group):
        inner = command.get_command(context, rest[0])
        assert inner is not None, f"there is no {name} {rest[0]}"
        parse(inner, rest[0], rest[1:], context)


@each(("document", "words"), MAKING, ids=name_of)
def test_make_knows_targets_and_variables(document, words):
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        variable, is_variable, _ = word.partition("=")
        known = f"$({variable})" in makefile if is_variable else f"\n{word}:" in makefile
        assert known or variable in ("BASE", "ACCOUNT", "TOKEN"), word


@each(("document", "words"), RUNNING, ids=name_of)
def test_benchmarks_and_scripts_know_their_options(document, words):
    """They take minutes to hours, so only what they would be told is looked at."""
    folder = ROOT / words[0].replace(".", "/")
    sources = [*folder.glob("*.py"), *([folder.with_suffix(".py")] if folder.with_suffix(".py").exists() else [])]
    text = "".join(source.read_text() for source in sources)
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if f'"{option}"' not in text and f'"{option}/' not in text] == []
    assert text


@each(("document", "words"), ASKING, ids=name_of)
def test_what_curl_asks_is_answered(document, words, running_stack):
    if shutil.which("curl") is None:
        skip_or_fail("curl is not installed: the documents' requests are NOT sent")
    here = [word.replace("http://127.0.0.1:8080", running_stack.url) for word in words]
    done = subprocess.run([*here, "--silent", "--fail-with-body"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout
    assert '"response"' in done.stdout


def text_of(events):
    """What the events of a stream say together; a busy machine sends several tokens in one."""
    return "".join(re.findall(r'^data: {"response":"([^"]*)"', events, flags=re.MULTILINE))


def test_the_quickstart_shows_what_is_answered(running_stack):
    shown = next(block for block in blocks_of("docs/quickstart.md") if block.text.startswith("$ curl"))
    whole, streamed = [line.removeprefix("curl ") for line in re.split(r"^\$ ", shown.text, flags=re.MULTILINE)[1:]]
    for command, answer in (re.split(r"(?<=[^\\])\n", part, maxsplit=1) for part in (whole, streamed)):
        here = command.replace("http://127.0.0.1:8080", running_stack.url)
        said = subprocess.run(["bash", "-c", f"curl -s {here}"], capture_output=True, text=True, timeout=100).stdout
        if answer.startswith("data: "):
            begun, _, ended = answer.partition("…\n")
            assert text_of(said).startswith(text_of(begun))
            assert said.strip().endswith(ended.strip().partition("\n\n")[2]), said
        else:
            assert said.strip() == answer.strip()


def test_tokens_are_made_listed_and_revoked_as_the_page_says(tmp_path):
    block = next(block for block in blocks_of("docs/accounts.md") if "token revoke" in block.text)
    tokens = [words for words in block.commands() if words[2:4] == ["bridge", "token"]]
    said = [
        subprocess.run([sys.executable, *words[1:]], cwd=tmp_path, capture_output=True, text=True) for words in tokens
    ]
    assert [done.returncode for done in said] == [0] * 4, said
    assert "ci" in said[2].stdout
    assert [token.name for token in read_token_file(tmp_path / "tokens")] == ["ci"]


def test_the_lines_of_a_token_file_are_read(tmp_path):
    (lines,) = [block.text for block in blocks_of("docs/accounts.md") if block.text.startswith("# account")]
    (tmp_path / "tokens").write_text(lines)
    assert [token.name for token in read_token_file(tmp_path / "tokens")] == ["laptop", "ci", "bridge"]


@each("document", ["docs/quickstart.md", "docs/models.md"])
def test_tables_of_catalogs_are_read(document, tmp_path):
    tables = [
        block.text for block in blocks_of(document) if re.search(r"^\[(models|adapters)\.", block.text, re.MULTILINE)
    ]
    (tmp_path / "mine.toml").write_text("\n".join(tables))
    assert tables
    assert load_catalog_with_adapters(ROOT / "service/catalog.toml", tmp_path / "mine.toml")


def test_the_service_config_is_taken_by_a_channel(running_stack):
    (text,) = [block.text for block in blocks_of("docs/grpc.md") if block.language == "json"]
    options = [("grpc.service_config", json.dumps(json.loads(text)))]
    with grpc.insecure_channel(running_stack.service_address, options) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)


def readme(beginning_of_it):
    """The README's block that begins so."""
    return next(block.text for block in blocks_of("README.md") if block.text.startswith(beginning_of_it))


@each("package", ["cloudflare", "openai"])
def test_python_of_the_readme_gets_answers(package, running_stack):
    name = {"cloudflare": "Cloudflare", "openai": "OpenAI"}[package]
    lines = readme(f"client = {name}(").replace("http://127.0.0.1:8080", running_stack.url).splitlines()
    names = {name: getattr(__import__(package), name)}
    exec(lines[0], names)
    with names["client"]:
        answers = [eval(line, names) for line in lines[1:] if line.strip()]
    assert all(answers)


@pytest.mark.usefixtures("node")
def test_typescript_of_the_readme_gets_an_answer(running_stack):
    block = readme("const client = new Cloudflare(").replace("http://127.0.0.1:8080", running_stack.url)
    asked = block.replace("await client.ai.run", "const answer = await client.ai.run")
    script = f'import Cloudflare from "cloudflare";\n{asked}console.log(JSON.stringify(answer));'
    command = [str(NODE), "--no-warnings", "--input-type=module", "--eval", script]
    done = subprocess.run(command, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=100)
    assert json.loads(done.stdout)["response"], done.stderr


def test_the_binding_of_the_readme_is_that_of_the_page_for_clients():
    assert " ".join(readme('"env"').split()) in " ".join((ROOT / "docs/clients.md").read_text().split())
