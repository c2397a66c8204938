"""Where requests may go whose address somebody typed: to the open internet, and not into the operator's own networks.

A name says nothing about where it leads, and may lead elsewhere a second later. So what counts is the address that a
connection is really made to: `whatsapp.webhooks.resolving` looks a name up once and refuses it when any of its
addresses is not allowed, and `guarded_socket` looks at the address again at the last moment, when the socket is made.
"""

import re
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from yarl import URL

from wharf.errors import Invalid, Sentence, sentence
from wharf.networks import Network, is_allowed, is_within, parse_address

#: Whether a connection may be made to an address.
Rule = Callable[[str], bool]

LONGEST_URL: Final = 2000
#: Below 1024 live the services that were never meant to hear HTTP (mail, shells, databases of names).
_FIRST_FREE_PORT: Final = 1024
_WEB_PORTS: Final = {80, 443}
#: As it is written once international names are encoded.
_HOST: Final = re.compile(r"[0-9A-Za-z._:-]+")


class UrlRefused(Invalid):
    code = "url_refused"

    def __init__(self, problem: Sentence) -> None:
        super().__init__(field="url", problem=problem)


class AddressRefused(OSError):
    """An address that requests may not go to."""


def checked_url(text: str) -> str:
    """`text` as it will be asked for, when it is an address for HTTP; where it leads is `check_host`'s to say.

    Read by the library that will connect, so that both mean the same host. Raises UrlRefused.
    """
    try:
        url = URL(text.strip())
    except ValueError as error:
        raise UrlRefused(_NOT_A_URL) from error
    if problem := _problem(url):
        raise UrlRefused(problem)
    return str(url)


_NOT_A_URL: Final = sentence("This is not an address such as https://example.org/hooks")


def _problem(url: URL) -> Sentence | None:
    is_http = url.scheme in ("http", "https") and len(str(url)) <= LONGEST_URL
    if not is_http or not _HOST.fullmatch(url.raw_host or ""):
        return _NOT_A_URL
    if url.user is not None or url.password is not None:
        return sentence("Names and passwords do not belong into an address; give a header instead")
    if url.fragment:
        return sentence("An address to send to has no part after #")
    port = url.port or 0
    if port not in _WEB_PORTS and port < _FIRST_FREE_PORT:
        return sentence("This port is not for web servers")
    return None


def rule_for(url: str, allowed: Sequence[Network]) -> Rule:
    """Which addresses a checked URL may lead to; `allowed` are the operator's own networks.

    Plain HTTP is for those alone: over the internet everybody on the way would read along.
    """
    if URL(url).scheme == "http":
        return lambda address: is_within(parse_address(address), allowed)
    return lambda address: is_allowed(address, allowed)


def check_host(url: str, allowed: Sequence[Network]) -> None:
    """Look up where a checked URL leads now. Raises UrlRefused."""
    parsed = URL(url)
    try:
        addresses = {row[4][0] for row in look_up(parsed.raw_host or "", parsed.port or 443, socket.AF_UNSPEC)}
    except (OSError, UnicodeError) as error:
        raise UrlRefused(sentence("This host's name cannot be looked up")) from error
    if not all(is_allowed(one, allowed) for one in addresses):
        raise UrlRefused(sentence("This host is not on the public internet"))
    if not all(map(rule_for(url, allowed), addresses)):
        raise UrlRefused(sentence("Give an address that begins with https://"))


def look_up(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)


def guarded_socket(rule: Rule) -> Callable[[Any], socket.socket]:
    """aiohttp's maker of sockets, for addresses by the rule: the last word, whatever looked the name up."""

    def make(found: Any) -> socket.socket:
        family, kind, protocol, _, address = found
        if not rule(str(address[0])):
            raise AddressRefused(f"{address[0]} is not allowed")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make
