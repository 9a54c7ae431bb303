# syntax=docker/dockerfile:1
# The product in one container: `make image` builds the wheel and then this.
# Another base with Python 3.11 to 3.13 and a C library as old as Debian 12's will do as well.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# --- Packages: each with its hash, into an environment that is taken over as it is ---------------
FROM ${PYTHON_IMAGE} AS packages
COPY requirements/aws.txt requirements/otel.txt /build/
RUN python -m venv /opt/short-drama \
    && /opt/short-drama/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        --requirement /build/aws.txt --requirement /build/otel.txt
COPY dist/*.whl /build/
RUN /opt/short-drama/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /build/*.whl

# --- What runs: nobody's rights, one folder to write to ------------------------------------------
FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin short-drama \
    && install --directory --owner short-drama --mode 700 /data
COPY --from=packages /opt/short-drama /opt/short-drama
ENV PATH=/opt/short-drama/bin:$PATH \
    HOME=/data \
    PYTHONUNBUFFERED=1 \
    SHORT_DRAMA_HOST=0.0.0.0 \
    SHORT_DRAMA_DATA_DIR=/data/short-drama \
    SHORT_DRAMA_CACHE_DIR=/data/cache
USER 10001
VOLUME /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["short-drama"]
CMD ["up"]
