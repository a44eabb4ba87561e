#!/usr/bin/env bash
# make bench-dataplane: rows per second from submit to manifest, against a direct feed and Ray Data. ARGS goes to nightshift bench dataplane,
# ROWS and SCORERS are short for two of its flags; RAY=0 leaves Ray Data out.
set -euo pipefail
cd "$(dirname "$0")/.."
nightshift=${NIGHTSHIFT:-bin/nightshift}
python=${PYTHON:-python3}
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nightshift}

# venv NAME PACKAGE...: a Python environment, made once; its name holds the versions.
venv() {
    local folder=$cache/venv/$1
    shift
    if [ ! -f "$folder/ready" ]; then
        echo "preparing $* (once)" >&2
        rm -rf "$folder"
        "$python" -m venv "$folder" >&2
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
        touch "$folder/ready"
    fi
    echo "$folder/bin/python"
}

scorer=$(venv bench-numpy-2.4.6-orjson-3.13.0 numpy==2.4.6 orjson==3.13.0)
ray=
[ "${RAY:-1}" = 0 ] || ray=$(venv bench-ray-2.60.0 "ray[data]==2.60.0")
# exec: an interrupt reaches the program itself, which ends what it started.
# shellcheck disable=SC2086 # ARGS are words
exec "$nightshift" bench dataplane --rows "${ROWS:-1000000}" --scorers "${SCORERS:-2}" --python "$scorer" --ray-python "$ray" \
    --ray-script scripts/ray_data.py ${ARGS:-}
