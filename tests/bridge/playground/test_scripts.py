"""The scripts of the pages, as their language sees them."""

import subprocess

import pytest

from bridge.playground.routes import STATIC
from scripts.real_clients import NODE, PLAYGROUND_FOLDER, TYPESCRIPT_FOLDER, has_typescript
from tests.support.missing_tools import skip_or_fail

SCRIPTS = [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]
MAX_LINES = 300

each_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())


def test_the_types_that_their_comments_tell_fit_together():
    if not has_typescript():
        skip_or_fail("clients/typescript/node_modules is not as package-lock.json has it: run `make setup-dev`")
    compiler = TYPESCRIPT_FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    checked = subprocess.run(
        [NODE, compiler, "-p", PLAYGROUND_FOLDER / "jsconfig.json"], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout) == (0, "")


@each_script
def test_each_is_checked_and_short_enough_to_be_read_at_once(path):
    text = path.read_text()
    assert text.startswith("// @ts-check\n")
    assert len(text.splitlines()) <= MAX_LINES


@each_script
def test_none_makes_markup_of_text(path):
    text = path.read_text()
    assert not [name for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write") if name in text]
