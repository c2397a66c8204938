"""Whether bytes of a stranger's are a small JPEG, told by their headers alone.

Nothing here decodes a picture: decoders are made for that in browsers, each in a box of its own. What they are given
is checked for being what it says (ISO 10918-1, annex B) and for costing them little.
"""

from typing import Final

from whatsapp.engine.bounds import MAX_PREVIEW, MAX_PREVIEW_SCANS, MAX_PREVIEW_SIDE

_START: Final = b"\xff\xd8"
_SCAN: Final = 0xDA
#: Baseline, extended and progressive, all with Huffman codes: what phones write and browsers read.
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
#: Tables, restart interval, application's own, comment: what may stand before the frame.
_BEFORE: Final = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})


def measure(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of a JPEG that is worth keeping; None for anything else."""
    is_likely = len(data) <= MAX_PREVIEW and data.startswith(_START)
    if not is_likely or not 1 <= data.count(bytes((0xFF, _SCAN))) <= MAX_PREVIEW_SCANS:
        return None
    frame = _frame(data)
    return _size(frame) if frame else None


def _frame(data: bytes) -> bytes | None:
    """The segment that tells the size, which comes before the first scan."""
    at = len(_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            return data[at + 4 : end]
        if marker not in _BEFORE or end < at + 4:
            return None
        at = end
    return None


def _size(frame: bytes) -> tuple[int, int] | None:
    """Of eight bits a colour, grey or coloured."""
    if len(frame) < 6 or frame[0] != 8 or frame[5] not in (1, 3) or len(frame) != 6 + 3 * frame[5]:
        return None
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    fits = 1 <= width <= MAX_PREVIEW_SIDE and 1 <= height <= MAX_PREVIEW_SIDE
    return (width, height) if fits else None
