"""How a host reaches its WhatsApp: the real one needs nothing said, the sandbox tells its address, CA and key."""

import http.client
import json
import time
import urllib.request
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from fleet.models import Network
from whatsapp.engine.port import NetworkAccess

TIMEOUT_SECONDS: Final = 3.0
#: It changes only when the sandbox is made anew.
REMEMBER_SECONDS: Final = 15.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class NetworkMissing(Exception):
    """The network cannot be used here and now; trying later may help."""


def access_to(network: str) -> NetworkAccess | None:
    """What a host on `network` needs; None for WhatsApp itself. Raises NetworkMissing."""
    if network == Network.WHATSAPP:
        return None
    if not settings.SANDBOX_URL:
        raise NetworkMissing("no sandbox is configured")
    if urlsplit(settings.SANDBOX_URL).hostname not in _LOOPBACK:
        # The sandbox's CA can speak for WhatsApp's names: it is trusted on this machine only.
        raise NetworkMissing("the sandbox's address is not on loopback")
    return _ask(f"{settings.SANDBOX_URL}/network", int(time.monotonic() / REMEMBER_SECONDS))


@lru_cache(maxsize=2)
def _ask(url: str, _period: int) -> NetworkAccess:
    # No proxy: the address is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            told = json.load(answer)
        return NetworkAccess(proxy=told["proxy"], ca=told["ca"], root_key=told["rootKey"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        raise NetworkMissing(f"the sandbox does not answer: {error}") from error
