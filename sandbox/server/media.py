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
from sandbox.world.thumbnails import Look
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


def image_message(
    world: World, image: bytes, caption: str = "", mimetype: str = "image/jpeg", look: Look | None = None
) -> Any:
    """Seal and upload a picture as a phone would; the message that points to it."""
    facts = _sealed(world, image, "Image") | _looks(look)
    return e2e.Message(imageMessage=e2e.ImageMessage(caption=caption, mimetype=mimetype, **facts))


def video_message(world: World, video: bytes, seconds: int, caption: str = "", look: Look | None = None) -> Any:
    facts = _sealed(world, video, "Video") | _looks(look)
    return e2e.Message(videoMessage=e2e.VideoMessage(caption=caption, mimetype="video/mp4", seconds=seconds, **facts))


def audio_message(world: World, audio: bytes, seconds: int, *, is_voice: bool) -> Any:
    mimetype = "audio/ogg; codecs=opus" if is_voice else "audio/mpeg"
    facts = _sealed(world, audio, "Audio")
    return e2e.Message(audioMessage=e2e.AudioMessage(PTT=is_voice, mimetype=mimetype, seconds=seconds, **facts))


def document_message(
    world: World,
    document: bytes,
    name: str,
    mimetype: str,
    *,
    caption: str = "",
    pages: int = 0,
    look: Look | None = None,
) -> Any:
    """With words beside it, it goes in an envelope of its own, as phones do it."""
    facts = _sealed(world, document, "Document") | ({"JPEGThumbnail": look.thumbnail} if look else {})
    message = e2e.Message(
        documentMessage=e2e.DocumentMessage(
            title=name, fileName=name, mimetype=mimetype, pageCount=pages or None, caption=caption, **facts
        )
    )
    return e2e.Message(documentWithCaptionMessage={"message": message}) if caption else message


def _sealed(world: World, data: bytes, kind: str) -> dict[str, Any]:
    """Where it is and what opens it, in the fields that all kinds have."""
    sealed = seal(data, kind)
    where = keep(world, sealed.blob)
    return {
        "URL": where["url"],
        "directPath": where["direct_path"],
        "mediaKey": sealed.key,
        "fileSHA256": sealed.sha256,
        "fileEncSHA256": sealed.blob_sha256,
        "fileLength": len(data),
    }


def _looks(look: Look | None) -> dict[str, Any]:
    return {"width": look.width, "height": look.height, "JPEGThumbnail": look.thumbnail} if look else {}
