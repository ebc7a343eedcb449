#!/usr/bin/env bash
# Makes a checkout ready: Debian packages, the virtual environment of the lock file, the repaired meinheld.
# A step already done for the same inputs is skipped. What cannot be installed is reported with the consequence.
#   setup.sh [setup|run|test|bench|e2e]: test, bench and e2e also install what only they need; setup retries failed steps
#   PYTHON=python3.13   the interpreter of the virtual environment; else the system's, if it is 3.11 to 3.14
#   APT=no              install no Debian packages
set -euo pipefail
cd "$(dirname "$0")/../.."

purpose=${1:-setup}
python=${PYTHON:-}
venv=.venv
lock=requirements-dev.lock
meinheld=app/server/meinheld

say() { printf '[setup] %s\n' "$*"; }
warn() { printf '[setup] %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }
have() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/usr/local/sbin/$1" ]; }
stamped() { [ "$(cat "$venv/.$1" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$venv/.$1"; }

choose_python() {
    local each
    for each in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$each" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then echo "$each"; return; fi
    done
}
python_with() { "${python:-false}" -c "$1" 2>/dev/null; }
digest() { find "$@" -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c -64; }
has_venv() { python_with 'import ensurepip, venv'; }
has_headers() { python_with 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")'; }

missing_packages_of_the_cluster() {
    have containerd || echo containerd
    have runc || echo runc
    have etcd || echo etcd-server
    have buildah || echo buildah
    have debootstrap || echo debootstrap
    have iptables || echo iptables
    have nft || echo nftables
    have conntrack || echo conntrack
    have ipset || echo ipset
    have openssl || echo openssl
    have ip || echo iproute2
    [ -x /usr/lib/cni/bridge ] || echo containernetworking-plugins
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

missing_packages() {
    have pgbouncer || echo pgbouncer
    have memcached || echo memcached
    if [ "$purpose" = test ]; then
        have haproxy || echo haproxy
        have nginx || echo nginx
        if grep -qs '^ID=debian' /etc/os-release; then # Ubuntu has it as a snap alone
            have chromium || echo chromium
            have chromedriver || echo chromium-driver
        fi
    fi
    case $purpose in test | e2e) have curl || echo curl ;; esac
    if [ "$purpose" = bench ]; then have wrk || echo wrk; fi
    if [ "$purpose" = e2e ]; then
        have promtool || echo prometheus
        if [ -z "${KUBECONFIG:-}" ]; then missing_packages_of_the_cluster; fi
    fi
    if ! stamped packages "$packages_key"; then has_venv || echo python3-venv; fi
    if ! stamped meinheld "$meinheld_key"; then
        has_headers || echo python3-dev
        have gcc || echo gcc libc6-dev
        have patch || echo patch
    fi
}

policy=/usr/sbin/policy-rc.d
mark='# jobfinder setup: the servers are started by "make run", not as services of this machine'

keep_services_down() {
    if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then mv "$policy" "$policy.jobfinder"; fi
    trap restore_policy EXIT
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
}

restore_policy() {
    if grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
    if [ -e "$policy.jobfinder" ]; then mv "$policy.jobfinder" "$policy"; fi
}

stay_down_at_boot() {
    for service in "$@"; do
        service=${service%-server}
        case $service in pgbouncer | memcached | haproxy | nginx | containerd | etcd | prometheus) ;; *) continue ;; esac
        if have systemctl; then systemctl disable --quiet "$service" || true; else update-rc.d "$service" disable || true; fi
    done
}

install_debian_packages() {
    local wanted=("$@")
    [ ${#wanted[@]} -gt 0 ] || return 0
    if [ "${APT:-yes}" = no ] || [ "$(id -u)" != 0 ] || ! have apt-get; then
        warn "not installed: ${wanted[*]} (as root: apt-get install ${wanted[*]})"
        return 0
    fi
    say "Debian packages: ${wanted[*]}"
    export DEBIAN_FRONTEND=noninteractive
    keep_services_down
    if apt-get -q update && apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 install "${wanted[@]}"; then
        stay_down_at_boot "${wanted[@]}" >/dev/null 2>&1
    else
        warn "apt-get could not install: ${wanted[*]}"
    fi
    restore_policy
}

install_python_packages() {
    if stamped packages "$packages_key" && "$venv/bin/python" -c '' 2>/dev/null; then return 0; fi
    command -v "${python:-none}" >/dev/null || die "Python 3.11 to 3.14 is needed; PYTHON=/path/to/python3.11 names one"
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        has_venv || die "$python has no venv module (Debian: apt-get install python3-venv)"
        say "virtual environment $venv of $("$python" --version)"
        "$python" -m venv --clear "$venv"
    fi
    say "Python packages of $lock"
    "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock" ||
        die "the packages of $lock could not be installed; is a package index reachable?"
    stamp packages "$packages_key"
}

install_meinheld() {
    if [ ! -e "$meinheld/build.py" ] || stamped meinheld "$meinheld_key"; then return 0; fi
    if ! have gcc || ! have patch || ! has_headers; then
        warn "meinheld is not built: gcc, patch and Python's headers are needed (apt-get install gcc libc6-dev patch python3-dev)"
        return 0
    fi
    if [ "$purpose" != setup ] && stamped meinheld-failed "$meinheld_key"; then
        warn "meinheld could not be built (see $venv/meinheld-build.log); make setup tries again"
        return 0
    fi
    say "meinheld, repaired and built (under a minute)"
    local wheels
    wheels=$(mktemp -d)
    if "$venv/bin/python" -m app.server.meinheld.build --out "$wheels" >"$venv/meinheld-build.log" 2>&1 &&
        "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-index --no-deps --force-reinstall "$wheels"/*.whl; then
        stamp meinheld "$meinheld_key"
    else
        warn "meinheld could not be built; the end of $venv/meinheld-build.log:"
        tail -n 5 "$venv/meinheld-build.log" >&2
        stamp meinheld-failed "$meinheld_key"
    fi
    rm -rf "$wheels"
}

[ -n "$python" ] || python=$(choose_python)
exec 9>.setup.lock
if command -v flock >/dev/null && ! flock -n 9; then
    say "another setup of this checkout is running; waiting for it"
    flock 9
fi
packages_key=$(digest "$lock")
meinheld_key=$([ ! -e "$meinheld" ] || digest "$lock" "$meinheld")

mapfile -t wanted < <(missing_packages | tr ' ' '\n')
install_debian_packages "${wanted[@]}"
install_python_packages
install_meinheld
