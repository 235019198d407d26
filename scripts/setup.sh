#!/bin/sh
# Makes .venv ready for the extras named as arguments, or says in one line why it can't.
# Finds a Python by itself; PYTHON=/path/to/python overrides the search.
set -eu
cd "$(dirname "$0")/.."

if [ -x .venv/bin/python ] && .venv/bin/python -m scripts.install --check "$@" 2>/dev/null; then
    exit 0
fi

# Says what is wrong with a Python, or prints where the one is that makes environments.
probe='
import sys
found = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    print("old " + found)
elif sys.version_info >= (3, 15):
    print("new " + found)
else:
    try:
        import ensurepip, venv
        print("good " + getattr(sys, "_base_executable", sys.executable))
    except ImportError:
        print("bare " + found)
'

old= new= bare=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-4]*/bin/python}; do
    answer=$("$candidate" -c "$probe" 2>/dev/null) || continue
    case $answer in
        good*) exec "${answer#good }" -m scripts.install "$@" ;;
        old*) old=${answer#old } ;;
        new*) new=${answer#new } ;;
        bare*) bare=${answer#bare } ;;
    esac
done

if [ -n "$bare" ]; then
    problem="Python $bare has no venv module: install it (on Debian and Ubuntu: sudo apt install python$bare-venv)"
elif [ -n "$new" ]; then
    problem="Python $new is newer than the pinned packages know: install Python 3.11 to 3.14, or name one with PYTHON=/path/to/python3"
elif [ -n "$old" ]; then
    problem="Python $old is too old: install Python 3.11 to 3.14, or name one with PYTHON=/path/to/python3"
else
    problem="no Python found: install Python 3.11 to 3.14, or name one with PYTHON=/path/to/python3"
fi
echo "runstream: $problem" >&2
exit 1
