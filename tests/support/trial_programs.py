"""A program that answers questions of trials as ways of all kinds would: quick, slow, wrong, and those that end it."""

from pathlib import Path

_PROGRAM = """
import json, os, signal, sys, time

def answer(question):
    match question["way"]:
        case "crash":
            os._exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(3600)
        case "wrong":
            return {"wrong": "by 0.5"}
        case "failed":
            return {"failed": "no such operator"}
        case "quicker":
            return {"times_us": {"1": 100, "16": 200}}
        case "slow":
            return {"times_us": {"1": 1000, "16": 2000}}
        case "no times":
            return {"times_us": {}}
        case "no numbers":
            return {"times_us": {"1": "soon"}}
        case "infinite":
            return {"times_us": {"1": float("inf")}}
        case "nothing":
            return {}
        case "gibberish":
            return "{"
    return {"times_us": {"1": 10, "16": 20}}

NAMES, DEFAULT = %(names)r, %(default)r
for line in sys.stdin:
    question = json.loads(line)
    question["way"] = NAMES.get(question["way"], DEFAULT or question["way"])
    print(json.dumps(answer(question)), flush=True)
"""


def write_program(folder: Path, default: str = "", **names: str) -> Path:
    """Writes the program's file.

    Args:
        folder: Where to.
        default: What others do; empty for what their names say, and those that are not known are quick.
        names: What ways of other names do.
    """
    path = folder / "trial_program.py"
    path.write_text(_PROGRAM % {"names": names, "default": default})
    return path
