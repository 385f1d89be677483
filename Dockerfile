# The worker of compose.yaml: the pipeline and its libraries, every one pinned with its hash.
FROM python:3.12-slim
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY flows flows
COPY tasks tasks
COPY blocks blocks
COPY prefect.yaml ./
RUN pip install --no-cache-dir --no-deps --no-build-isolation --no-index -e . \
    && useradd --create-home pipeline && mkdir data && chown pipeline data
USER pipeline
# A run that is stopped ends where the ledger is whole.
STOPSIGNAL SIGINT
CMD ["python", "-m", "flows.up", "work"]
