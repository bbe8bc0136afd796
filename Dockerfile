# One image for every process of the shop; the command says which. What was checked of it, and what not: docs/production.md.
FROM python:3.11-slim-bookworm AS build
# Debian keeps one version of a package, the mended one: a pinned one could not be built any more after the next mend.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# By hash, all of it: wheels as they are; mysqlclient, which comes as source, is built with what stands in the second file.
RUN pip install --no-cache-dir --require-hashes --requirement requirements-build.lock \
    && pip wheel --no-cache-dir --no-build-isolation --require-hashes --only-binary :all: --no-binary mysqlclient \
        --wheel-dir /wheels --requirement requirements.lock

FROM python:3.11-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home charites
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl
WORKDIR /srv/charites
COPY . .
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ENV_FILE="" HTTP_HOST=0.0.0.0 GRPC_HOST=0.0.0.0 \
    STATIC_ROOT=/srv/static METRICS_DIR=/tmp/metrics
# Collecting needs no secrets: in DEBUG they are made up, for this line alone.
RUN DEBUG=true python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/metrics
# By number: whoever refuses root outside (Kubernetes) knows no name of ours.
USER 10001
EXPOSE 8000 8081
# For the web process; compose.yaml says how the others are looked at.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["granian", "--interface", "asgi", "--http", "1", "--no-ws", "--http1-header-read-timeout", "10000", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--backpressure", "4096", "--workers-kill-timeout", "10", "--respawn-failed-workers", "--log-level", "warning", "charites.asgi:application"]
