"""How copies of device stores are sealed, in files and in rows alike: compressed, and with the key for backups.

That key is made from `BACKUP_KEY`, or from the platform's own secret when there is none.
"""

import zlib
from typing import Final

from django.conf import settings

from wharf import seals
from wharf.seals import SealBroken

_PURPOSE: Final = "device backup 1"
#: Keys and secrets do not compress, the rest does at once: higher levels cost twice the time for a twentieth.
_LEVEL: Final = 1


def seal(content: bytes, about: str) -> bytes:
    """`content` for whoever has the key; it opens together with the very same `about` alone, which is not in it."""
    return seals.seal(zlib.compress(content, _LEVEL), purpose=_PURPOSE, about=about, secret=settings.BACKUP_KEY)


def unseal(sealed: bytes, about: str) -> bytes:
    """Raises SealBroken."""
    try:
        return zlib.decompress(seals.unseal(sealed, purpose=_PURPOSE, about=about, secret=settings.BACKUP_KEY))
    except zlib.error as error:
        raise SealBroken from error


def key_name() -> str:
    """Which key it is, told by a digest."""
    return seals.key_name(purpose=_PURPOSE, secret=settings.BACKUP_KEY)


__all__ = ["SealBroken", "key_name", "seal", "unseal"]
