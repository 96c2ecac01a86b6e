#!/bin/sh
# Prints the Python 3.11 on PATH to run the service with:
#
#     deploy/find-python.sh
#
# Of those that can make a virtual environment and compile extensions, the first that was built to be fast: configured
# with optimization, or at least without a shared library of itself. One that has neither, as pyenv builds it unless it is
# told otherwise, takes half as long again for the same code. If all are slow, the first of them.
set -eu

usable() {
    "$1" - <<'PYTHON' >/dev/null 2>&1
import ensurepip, os, sys, sysconfig, venv
sys.exit(sys.version_info[:2] != (3, 11) or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))
PYTHON
}

# Debian does not tell in the configuration how it builds the executable: with optimization, and libpython in it.
fast() {
    "$1" - <<'PYTHON' >/dev/null 2>&1
import sys, sysconfig
optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
if not optimized and sys.platform == "linux":
    with open("/proc/self/maps") as maps:
        optimized = "libpython3" not in maps.read()
sys.exit(not optimized)
PYTHON
}

first=
IFS=:
for folder in $PATH; do
    python=$folder/python3.11
    if [ ! -x "$python" ] || ! usable "$python"; then
        continue
    fi
    if fast "$python"; then
        echo "$python"
        exit 0
    fi
    first=${first:-$python}
done
if [ -z "$first" ]; then
    echo "Python 3.11 is needed, with its headers and venv (Debian: python3.11-dev and python3.11-venv):" \
        "none on PATH has them; or name one: make PYTHON=..." >&2
    exit 1
fi
echo "$first"
