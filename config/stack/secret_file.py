"""Secrets made at the first run of a folder and kept for all later ones, for their owner's eyes alone."""

import json
import os
import secrets
from pathlib import Path


def secret_key(folder: Path) -> str:
    """The key that signs log-ins and tokens here."""
    path = folder / "secrets.json"
    if not path.exists():
        write_private(path, json.dumps({"WHARF_SECRET_KEY": secrets.token_urlsafe(48)}))
    path.chmod(0o600)
    return str(json.loads(path.read_text())["WHARF_SECRET_KEY"])


def write_private(path: Path, text: str) -> None:
    """For its owner's eyes, and whole or not at all: a half-written key would lock everybody out."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
