#!/usr/bin/env bash
# Runs every test, on all cores. Arguments go to pytest: tools/test.sh test/test_layers.py -k Linear
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
cores=$(getconf _NPROCESSORS_ONLN)
# One thread a process: the processes share the cores already, and oversubscribed pools only wait for each other.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$python" -m pytest -q -n "$cores" --dist worksteal --durations=10 "$@"
