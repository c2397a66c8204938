"""How log lines look: one a line, with the part that wrote it; text for people, JSON for collectors."""

import json
import logging
from datetime import UTC, datetime
from typing import Any


class TextLines(logging.Formatter):
    """`12:03:04.123 INFO  whatsapp.worker: claimed 3 sessions`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")


class JsonLines(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """A `dictConfig` mapping that writes to standard error."""
    formatter = "config.logs.JsonLines" if style == "json" else "config.logs.TextLines"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Both say every request or job at INFO; ours say what matters.
            "uvicorn.access": {"level": "WARNING"},
            # Says the address of every WebSocket, in which older Socket.IO clients put their token.
            "uvicorn.error": {"level": "WARNING"},
            # They write whole packets, which hold messages and codes, and a line for every wrong byte of a client.
            "socketio": {"level": "CRITICAL"},
            "engineio": {"level": "CRITICAL"},
            # Wrong addresses are their callers' business.
            "django.request": {"level": "ERROR"},
            "procrastinate": {"level": "WARNING"},
        },
    }
