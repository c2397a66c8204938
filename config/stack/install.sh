#!/bin/sh
# Brings .venv/ to what uv.lock says; costs a few milliseconds when nothing changed. Uses uv from PATH, else from .uv/.
set -eu

stamp=.venv/.installed
python=${PYTHON:-python3}

fail() {
    echo "$1" >&2
    exit 1
}

version=$("$python" -c 'import sys; print(sys.implementation.cache_tag, sys.version_info >= (3, 11))' 2>/dev/null) ||
    fail "Python is missing: apt-get install python3 python3-venv (3.11 or newer)."
case $version in
*False) fail "$python is too old: Wharf needs Python 3.11 or newer (make PYTHON=/path/to/python3 chooses another)." ;;
esac

# What the environment was made from; content, not times, so that a fresh clone and a changed branch are told apart.
wanted="$version $(cksum <pyproject.toml) $(cksum <uv.lock)"
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

bootstrap() {
    echo "Installing uv into .uv/ ..."
    if "$python" -c 'import pip, venv' 2>/dev/null; then
        "$python" -m venv --without-pip .uv
        "$python" -m pip --python .uv/bin/python install --quiet uv
    elif "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv .uv
        .uv/bin/python -m pip install --quiet uv
    else
        fail "Neither uv nor pip is here: apt-get install python3-venv, then try again."
    fi
}

if uv --version >/dev/null 2>&1; then
    uv=uv
else
    uv=.uv/bin/uv
    "$uv" --version >/dev/null 2>&1 || bootstrap
fi

[ -d .venv ] && echo "Updating packages ..." || echo "Installing packages into .venv/ (about half a minute the first time) ..."
rm -f "$stamp"
"$uv" sync --locked --quiet --python "$python"
echo "$wanted" >"$stamp"
