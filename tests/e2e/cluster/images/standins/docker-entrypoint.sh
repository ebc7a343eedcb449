#!/usr/bin/env bash
# The documented behaviour of the official image: an empty PGDATA becomes a cluster with POSTGRES_USER, POSTGRES_DB,
# POSTGRES_PASSWORD (each also as ..._FILE) after the scripts of /docker-entrypoint-initdb.d; then PostgreSQL runs.
set -euo pipefail
umask 077

from_file() {
    local name=$1 file=$1_FILE
    if [ -n "${!file:-}" ]; then
        export "$name=$(<"${!file}")"
    fi
    unset "$file"
}

initialize() {
    : "${POSTGRES_PASSWORD:?an empty database needs POSTGRES_PASSWORD}"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --locale=C.UTF-8 \
        ${POSTGRES_INITDB_ARGS:-} -D "$PGDATA" >/dev/null
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "${*:2} -c listen_addresses=''" -w start >&2
    local psql=(psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc)
    export PGPASSWORD=$POSTGRES_PASSWORD
    if [ "$POSTGRES_DB" != postgres ]; then
        "${psql[@]}" --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        echo "running $script" >&2
        case $script in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) "${psql[@]}" --dbname "$POSTGRES_DB" -f "$script" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop >&2
    unset PGPASSWORD
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ]; then
    for name in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB POSTGRES_INITDB_ARGS; do from_file "$name"; done
    export POSTGRES_USER=${POSTGRES_USER:-postgres}
    export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA" || true
    if [ ! -s "$PGDATA/PG_VERSION" ]; then initialize "$@"; fi
fi
exec "$@"
