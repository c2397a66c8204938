# One image for web, worker and jobs; the command decides which. No PostgreSQL, no Valkey, no compiler, no tests in it.
FROM python:3.13-slim-bookworm AS packages
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir "uv>=0.9,<1"
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-default-groups --python /usr/local/bin/python3

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin wharf \
    && install -d -o wharf -g wharf -m 0700 /state
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY . .
RUN python3 -m compileall -q accounts audit config fleet sandbox tenants wharf whatsapp
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WHARF_STATE_DIR=/state \
    WHARF_LOG_FORMAT=json
USER wharf
EXPOSE 3000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "3000", \
     "--loop", "uvloop", "--http", "httptools", \
     "--ws", "wharf.frames:GatheringProtocol", "--ws-per-message-deflate", "false", \
     "--timeout-graceful-shutdown", "8", "--no-access-log", "--no-server-header", \
     "--log-level", "warning"]
