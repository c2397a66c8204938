"""How log lines look: one a line, with the part that wrote it; text for people, JSON for collectors.

Both say what a line is about (`wharf.logs`) and neither says what rows hold.
"""

import json
import logging
import os
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from wharf import logs

_Caught = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TextLines(logging.Formatter):
    """`12:03:04.123 INFO  whatsapp.worker: claimed 3 sessions [session_id=...]`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        ids = " ".join(f"{name}={value}" for name, value in logs.ids().items())
        return f"{line} [{ids}]" if ids else line

    def formatException(self, ei: _Caught) -> str:
        return logs.describe(ei[1]) if ei[1] is not None else ""


class JsonLines(logging.Formatter):
    """One object a line: time (UTC), level, logger, process, pid, message, the ids it is about, and the traceback where
    there is one."""

    def __init__(self) -> None:
        super().__init__()
        self._process = logs.process_name()

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": self._process,
            "pid": os.getpid(),
            "message": record.getMessage(),
            **logs.ids(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = logs.describe(record.exc_info[1])
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
