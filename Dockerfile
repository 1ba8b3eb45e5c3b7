# The collector on your own PostgreSQL. Paths are relative to /opt/pinfall, so that the same lines
# can be replayed in any directory (tests/commands/test_image.py does).
FROM python:3.13-slim AS build
WORKDIR /opt/pinfall
COPY requirements/run.txt requirements/run.txt
RUN python3 -m venv venv
RUN venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.txt

FROM python:3.13-slim
LABEL org.opencontainers.image.title="pinfall" org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /opt/pinfall
COPY --from=build /opt/pinfall/venv venv
COPY LICENSE LICENSE
COPY alembic alembic
COPY collector collector
ENV PATH=/opt/pinfall/venv/bin:$PATH PYTHONPATH=/opt/pinfall PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A volume that is mounted here takes this mode: any user may write its own files there.
RUN mkdir -m 1777 spool
USER 65532:65532
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["python3", "-m", "collector"]
CMD ["serve"]
