FROM python:3.11-slim

RUN useradd --create-home quorum
WORKDIR /quorum
COPY requirements-first.txt requirements.txt requirements.lock requirements-tasks.lock ./
ENV PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_REQUIRE_HASHES=1
RUN pip install --no-deps -r requirements-first.txt && pip install -r requirements.txt -c requirements.lock \
    && pip install --no-deps -r requirements-tasks.lock
COPY app app
COPY cache cache
COPY core core
COPY pages pages
COPY pyproject.toml LICENSE ./
RUN PIP_REQUIRE_HASHES= pip install --no-deps --no-build-isolation --editable .

ENV QUORUM_HOME=/data HF_HOME=/data/huggingface PYTHONUNBUFFERED=1
RUN mkdir /data && chown quorum /data
VOLUME /data
USER quorum
EXPOSE 8501
# An unknown path answers 200 with the page, so the body is compared.
HEALTHCHECK --start-period=30s CMD python -c "import sys, urllib.request as r; \
sys.exit(r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5).read() != b'ok')"
CMD ["quorum", "serve", "--address", "0.0.0.0"]
