"""mmg.whatsapp.net: encrypted blobs go in by POST /mms/<kind>/<token> and out by GET <direct path>."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from sandbox.protocol.media import seal
from sandbox.protocol.protos import e2e
from sandbox.server.settings import MEDIA_HOST
from sandbox.world import keeping
from sandbox.world.world import World

MAX_BLOB = 64 << 20
UPLOADS = ("/mms/", "/newsletter/")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""


def answer(world: World, method: str, target: str, body: bytes) -> Answer:
    path = target.split("?")[0]
    if world.faults.media_status is not None:
        return Answer(world.faults.media_status)
    if method == "POST" and path.startswith(UPLOADS):
        return Answer(200, json.dumps(keep(world, body)).encode())
    blob = find(world, path) if method == "GET" else None
    return Answer(404) if blob is None else Answer(200, blob)


def keep(world: World, blob: bytes) -> dict[str, str]:
    """Where it can be fetched, in the words of a real media host."""
    path = f"/v/sandbox/{os.urandom(8).hex()}.enc"
    world.keep.media(path, blob)
    direct = f"{path}?ccb=11-4"  # clients append "&hash=..." to it
    return {"url": f"https://{MEDIA_HOST}{direct}", "direct_path": direct}


def find(world: World, path: str) -> bytes | None:
    return world.store.get(keeping.MEDIA, path.split("?")[0], "")


def image_message(world: World, image: bytes, caption: str = "", mimetype: str = "image/jpeg") -> Any:
    """Seal and upload a picture as a phone would; the message that points to it."""
    sealed = seal(image, "Image")
    where = keep(world, sealed.blob)
    picture = e2e.ImageMessage(
        URL=where["url"],
        directPath=where["direct_path"],
        mediaKey=sealed.key,
        fileSHA256=sealed.sha256,
        fileEncSHA256=sealed.blob_sha256,
        fileLength=len(image),
        mimetype=mimetype,
        caption=caption,
    )
    return e2e.Message(imageMessage=picture)
