# One image for every command: `docker run strongroom --help`.
# Pinned by tag. To pin by digest as well: `docker buildx imagetools inspect <image>`, then
# `--build-arg PYTHON=python:<tag>@sha256:…` (docs/OPERATIONS.md, "Containers").
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/strongroom \
    && /opt/strongroom/bin/pip install --quiet --require-hashes -r requirements.txt
RUN python -m venv /build \
    && /build/bin/pip install --quiet --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY docs/errors docs/errors
COPY keys keys
COPY vault vault
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/strongroom/bin/pip install --quiet --no-deps /wheel/*.whl \
    && /opt/strongroom/bin/pip uninstall --quiet --yes pip

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Strongroom" \
      org.opencontainers.image.description="An encrypted vault for personal data" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/strongroom/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Folders that volumes are mounted over: a new volume takes its owner from here.
RUN groupadd --gid 10001 strongroom \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
        strongroom \
    && install -d -o 10001 -g 10001 -m 0700 /run/strongroom /run/unseal /run/identities \
        /var/lib/strongroom /credentials
COPY --from=build /opt/strongroom /opt/strongroom
COPY docker/certificates.py docker/unseal.py docker/health.py docker/hand_over.sh /opt/strongroom/docker/
USER 10001:10001
WORKDIR /run/strongroom
# Fits `serve` as it comes: plain HTTP on loopback. With TLS, name the address and the authority, as in
# docker-compose.yml; a command that serves nothing wants `--no-healthcheck`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "/opt/strongroom/docker/health.py", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["strongroom"]
CMD ["--help"]
