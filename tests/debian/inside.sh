#!/usr/bin/env bash
# Runs inside the new system: the README's commands, in its order.
set -euo pipefail
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
cd /srv/jobfinder

make run &
service=$!
python3 - <<'PY'
"""Wait until the service is ready."""
import os
import sys
import time
import urllib.request

until = time.monotonic() + 900
while time.monotonic() < until:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{os.environ['PORT']}/api/v1/health/ready", timeout=5)
        sys.exit(0)
    except OSError:
        time.sleep(1)
sys.exit("make run did not become ready")
PY
make demo
kill -TERM "$service"
wait "$service" || true
exec make test PYTEST_ARGS="$*"
