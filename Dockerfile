# DictaMesh Sentry: one image, every role. `make image` builds it; infrastructure/ runs it.
#
# The root file system may be read-only. Writable are /data (spool, run files; persistent for the web role), /files (blobs,
# when they are files) and /tmp.

ARG PYTHON_IMAGE=python:3.13.16-slim-trixie

# ---------------------------------------------------------------- assets and wheels
FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    UV_NO_CACHE=1 \
    UV_LINK_MODE=copy
WORKDIR /src
RUN python -m venv /opt/tools && /opt/tools/bin/python -m pip install -q "uv==0.13.9"

# The dependencies first: this layer changes with the lock only. Wheels alone, so nothing needs a compiler. The lock is
# complete, so no package's own wishes are followed (chDB's wrapper asks for pandas and pyarrow: see pyproject.toml).
COPY requirements/scaled.lock requirements/
RUN python -m venv --without-pip /opt/dictamesh-sentry \
    && /opt/tools/bin/uv pip install -q --python /opt/dictamesh-sentry/bin/python \
        --no-deps --require-hashes --only-binary :all: -r requirements/scaled.lock

COPY package.json package-lock.json pyproject.toml README.md LICENSE ./
COPY tools/build_assets.py tools/build_assets.mjs tools/
COPY src/ src/
RUN /opt/tools/bin/python tools/build_assets.py
RUN /opt/tools/bin/uv build -q --wheel --python /opt/tools/bin/python --out-dir /opt/wheel . \
    && /opt/tools/bin/uv pip install -q --python /opt/dictamesh-sentry/bin/python --no-deps /opt/wheel/*.whl
RUN /opt/dictamesh-sentry/bin/python -m compileall -q -j 2 --invalidation-mode unchecked-hash /opt/dictamesh-sentry/lib

# ---------------------------------------------------------------- what runs
FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="DictaMesh Sentry" \
      org.opencontainers.image.description="Error tracking and performance monitoring any Sentry SDK can report to" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later" \
      org.opencontainers.image.vendor="Controle Digital Ltda"

# The folders have the owner a new named volume takes over. The image's standard library comes without bytecode, and
# with a read-only root nobody could write it later; its pip is of no use at run time.
RUN groupadd --gid 10001 sentry \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sentry \
    && install -d -o 10001 -g 10001 -m 0750 /data /files \
    && python -m pip uninstall -q -y --root-user-action=ignore pip \
    && python -m compileall -q -j 2 --invalidation-mode unchecked-hash \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

COPY --from=builder /opt/dictamesh-sentry /opt/dictamesh-sentry
# What is inside, for scanners and people: the installed packages' metadata is in site-packages, the lock is here.
COPY LICENSE requirements/scaled.lock /usr/share/doc/dictamesh-sentry/

ENV PATH=/opt/dictamesh-sentry/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TMPDIR=/tmp \
    SENTRY_HOST=0.0.0.0 \
    SENTRY_PORT=9000 \
    SENTRY_DATA_DIR=/data \
    SENTRY_FILESTORE_LOCATION=/files

WORKDIR /data
USER 10001:10001
EXPOSE 9000 9001
STOPSIGNAL SIGTERM

# The web role. Other roles answer at SENTRY_STATUS_PORT; whoever runs them says so (see docker-compose.dev.yml).
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['SENTRY_PORT'] + '/_health/', timeout=4)"]

ENTRYPOINT ["dictamesh-sentry"]
CMD ["run", "web"]
