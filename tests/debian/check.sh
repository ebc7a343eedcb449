#!/usr/bin/env bash
# Builds the patched meinheld with the Python 3.13 of Debian 13, in a folder that debootstrap makes, and runs the
# server's tests there, with the package versions of the lock files. Needs root, debootstrap and unshare.
#   check.sh [pytest arguments]
#   XDG_CACHE_HOME   where the folder is kept between runs (default ~/.cache), below jobfinder/trixie
set -euo pipefail
cd "$(dirname "$0")/../.."

root=${XDG_CACHE_HOME:-$HOME/.cache}/jobfinder/trixie
here=$root/srv/jobfinder
packages=python3,python3-dev,python3-venv,gcc,libc6-dev,patch
tools='pytest|pytest-timeout|pluggy|iniconfig|packaging|pygments|setuptools'

say() { printf '[python313] %s\n' "$*"; }
die() { printf '[python313] %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "a chroot needs root"
command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || die "debootstrap is missing (apt-get install debootstrap)"
PATH=$PATH:/usr/sbin:/sbin

if [ ! -e "$root/.complete" ]; then
    say "Debian 13 in $root (some minutes, 600 MB)"
    rm -rf "$root.new" "$root"
    mkdir -p "$(dirname "$root")"
    nice debootstrap --variant=minbase --include="$packages" trixie "$root.new" >"$root.log" 2>&1 || die "failed, see $root.log"
    echo "127.0.0.1 localhost" >"$root.new/etc/hosts"
    mv "$root.new" "$root"
    touch "$root/.complete"
fi

say "packages of the lock files, for Python 3.13"
rm -rf "$here"
mkdir -p "$here/wheels"
awk -v tools="^($tools)==" '/^[a-z]/ { kept = $1 ~ tools } kept' requirements-dev.lock >"$here/tools.lock"
cp requirements.lock "$here"
.venv/bin/python -m pip download -q --disable-pip-version-check --dest "$here/wheels" --no-deps --require-hashes \
    --only-binary :all: --implementation cp --python-version 3.13 --abi cp313 --abi abi3 --abi none \
    --platform "manylinux_2_17_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" --platform any \
    -r requirements.lock -r "$here/tools.lock"
.venv/bin/python -c 'import sys; from pathlib import Path; from app.server.meinheld.build import download; download(Path(sys.argv[1]))' "$here"
cp -r app tests pyproject.toml "$here"

say "build and tests"
cat >"$here/inside.sh" <<'INSIDE'
set -euo pipefail
export HOME=/root LANG=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
cd /srv/jobfinder
python3.13 -m venv venv
venv/bin/pip install -q --no-index --find-links wheels --require-hashes -r requirements.lock -r tools.lock
venv/bin/python -m app.server.meinheld.build --out built --sdist meinheld-1.0.2.tar.gz
venv/bin/pip install -q --no-index --no-deps built/*.whl
venv/bin/pip check
venv/bin/python -c 'import sys, meinheld.server; print(sys.version, meinheld.__version__)'
exec venv/bin/python -m pytest -q -p no:cacheprovider "$@"
INSIDE
if [ $# = 0 ]; then set -- tests/integration/server tests/unit/server; fi
exec env -u PIP_FIND_LINKS -u PYTHONPATH nice unshare --mount chroot "$root" /bin/bash /srv/jobfinder/inside.sh "$@"
