"""What the pages use of npm packages is what those packages have, with their licences."""

from scripts.real_clients import has_playground_packages
from scripts.vendor import VENDOR, vendored
from tests.support.missing_tools import skip_or_fail


def test_each_vendored_file_is_as_published():
    if not has_playground_packages():
        skip_or_fail("bridge/playground/node_modules is not as package-lock.json has it: run `make setup-dev`")
    unlike = [
        str(target.relative_to(VENDOR))
        for target, source in vendored().items()
        if target.read_bytes() != source.read_bytes()
    ]
    assert not unlike, "run `make vendor`"


def test_nothing_else_is_vendored_and_each_package_has_its_licence():
    files = {path for path in VENDOR.rglob("*") if path.is_file()}
    assert files == set(vendored())
    assert {path.parent.name for path in files if path.name == "LICENSE"} == {path.name for path in VENDOR.iterdir()}
