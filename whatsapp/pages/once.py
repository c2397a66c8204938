"""A secret between the form that made it and the page that shows it, once.

It waits in the log-in session, sealed: whoever reads the sessions' table finds nothing.
"""

import base64
import time
from typing import Final

from accounts.pages import PageRequest
from wharf import seals

_KEY: Final = "secret_on_show"
_PURPOSE: Final = "secret on show 1"
#: Nobody comes back for it later.
_SECONDS: Final = 600


def keep(request: PageRequest, about: str, secret: str) -> None:
    sealed = seals.seal(secret.encode(), purpose=_PURPOSE, about=about)
    request.session[_KEY] = [about, base64.b64encode(sealed).decode(), time.time() + _SECONDS]


def take(request: PageRequest, about: str) -> str:
    """Empty when it was shown already, or there is none. What shows nothing (HEAD) takes nothing."""
    found = request.session.get(_KEY)
    if request.method != "GET" or not found or found[0] != about:
        return ""
    del request.session[_KEY]
    if time.time() > found[2]:
        return ""
    return seals.unseal(base64.b64decode(found[1]), purpose=_PURPOSE, about=about).decode()
