"""A new version is written everywhere at once."""

import datetime
import shutil

import pytest

from scripts.set_version import set_version
from tests.support.repository import FILES, ROOT

DAY = datetime.date(2030, 1, 2)


@pytest.fixture
def checkout(tmp_path):
    """The files that may hold the version."""
    names = ("pyproject.toml", "package.json", "package-lock.json", "CMakeLists.txt", "build.gradle", "README.md")
    for path in FILES:
        if path.name in (*names, "CHANGELOG.md") and path.relative_to(ROOT).parts[0] != "tests":
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    return tmp_path


def test_every_package_gets_it(checkout):
    written = set_version("9.8.7", checkout, DAY)
    assert all("9.8.7" in path.read_text() for path in written)
    assert (checkout / "clients/typescript/package-lock.json").read_text().count('"version": "9.8.7"') == 2
    assert {"pyproject.toml", "package.json", "build.gradle", "CMakeLists.txt"} <= {path.name for path in written}


def test_what_was_unreleased_belongs_to_it_and_an_empty_part_stands_above(checkout):
    before = (checkout / "CHANGELOG.md").read_text()
    set_version("9.8.7", checkout, DAY)
    after = (checkout / "CHANGELOG.md").read_text()
    assert after.replace("\n## [9.8.7] - 2030-01-02\n", "", 1) == before
    assert "## [Unreleased]\n\n## [9.8.7] - 2030-01-02\n" in after


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "0.1.0"])
def test_what_is_no_new_version_is_refused_and_nothing_is_written(checkout, version):
    before = (checkout / "pyproject.toml").read_text()
    with pytest.raises(ValueError, match=r"version|0\.1\.0"):
        set_version(version, checkout, DAY)
    assert (checkout / "pyproject.toml").read_text() == before
