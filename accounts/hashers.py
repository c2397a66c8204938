"""Passwords of an older system (seed contract 3.1): they log in as they came, and are hashed anew by that."""

import re
from typing import Any, Final

from django.contrib.auth.hashers import BCryptPasswordHasher

from wharf.errors import Invalid, sentence

_BCRYPT: Final = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
#: What bcrypt looks at. Node's cuts the rest off; Python's refuses it.
_LONGEST: Final = 72


class ImportedBcrypt(BCryptPasswordHasher):
    """bcrypt as the older system used it, only to check what was imported."""

    rounds = 10

    def encode(self, password: str, salt: Any) -> str:
        bcrypt = self._load_library()  # type: ignore[attr-defined]  # the stubs do not know it
        data: bytes = bcrypt.hashpw(password.encode()[:_LONGEST], salt)
        return f"{self.algorithm}${data.decode('ascii')}"


def imported(bcrypt_hash: str) -> str:
    """`$2a$…`, `$2b$…` or `$2y$…` as `User.password` holds it. Raises Invalid for what is no bcrypt hash."""
    if not _BCRYPT.fullmatch(bcrypt_hash):
        raise Invalid(field="password", problem=sentence("This is not a bcrypt hash"))
    # PHP's name for the same thing, which Python's bcrypt would write back as another.
    return f"bcrypt${bcrypt_hash.replace('$2y$', '$2b$', 1)}"
