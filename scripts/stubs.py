"""Generates the Python stubs of the contract into a folder: `python -m scripts.stubs clients/python`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generate(folder: Path) -> None:
    """Writes `runstream/v1/*_pb2*.py` and their `.pyi` under the folder, which must exist.

    Raises:
        subprocess.CalledProcessError: if protoc refuses the contract; it has said why.
    """
    protos = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("protos/runstream/v1/*.proto"))
    outputs = [f"--{plugin}_out={folder}" for plugin in ("python", "grpc_python")]
    outputs += [f"--{plugin}_out=quiet:{folder}" for plugin in ("mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iprotos", *outputs, *protos]
    # protoc finds its mypy plugins on the PATH, and pip has put them beside the interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())
