#!/bin/sh
# A visit to a borrowed GPU, in two short calls: bench/gpu/visit.sh [FOLDER] [--state FILE] [--tiny] ...
# The first call finds what tells most; the second goes on from its state file, on a fresh machine too.
# Takes the Python that is there (PYTHON=... names another) and installs nothing. FOLDER is $OUT by default.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
default=python3
if [ -x "$root/.venv/bin/python" ]; then default=$root/.venv/bin/python; fi
export PYTHONPATH="$root:$root/clients/python${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-$default}" -P -m bench.gpu.visit "$@"
