"""pip's output becomes one line while it works, and one sentence when it fails."""

import sys
from pathlib import Path

import pytest

from scripts.install import check_disk
from scripts.pip import Pip, SetupError, explain, show_progress
from scripts.progress import ProgressLine


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)'", "can't reach the package index"),
        ("[Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found for torch", "network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "has no torch==2.13.0 for Python"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "certificate"),
    ],
)
def test_a_known_failure_is_explained_in_one_sentence(output, words):
    assert words in str(explain(output))


def test_an_unknown_failure_is_left_to_pip_to_tell(tmp_path):
    (tmp_path / "constraints.txt").write_text("")
    pip = Pip(Path(sys.executable), tmp_path, tmp_path / "constraints.txt")
    with pytest.raises(SetupError, match=r"pip failed: ERROR: .*nonsense.*install\.log"):
        pip.install("--no-index", "./nonsense")


def test_without_a_terminal_only_milestones_are_printed(capsys):
    pip_says = [
        "Collecting torch",
        "  Downloading torch-2.whl (9 MB)",
        "Progress 1 of 9",
        "Installing collected packages: a, b",
    ]
    assert show_progress(ProgressLine(), iter(pip_says))[-1] == pip_says[-1]
    assert capsys.readouterr().out == "  installing 2 packages\n"


@pytest.mark.parametrize(
    "line", ["Progress many of all", "Progress", "Downloading", "Installing collected packages:", "é"]
)
def test_a_line_that_pip_does_not_print_ends_nothing(line):
    assert show_progress(ProgressLine(), iter([line, "the last"]))[-1] == "the last"


def test_a_disk_that_is_too_small_is_found_before_anything_is_downloaded():
    with pytest.raises(SetupError, match=r"GB free, but what is installed needs 1000000\.0 GB: free some"):
        check_disk(10**9)
