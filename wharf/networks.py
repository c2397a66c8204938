"""Which addresses belong to the open internet: the ones that requests may go to, beside the operator's exceptions."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Not for the public by their registers (RFC 6890 and later), where Python's own table is older or sees it otherwise;
#: and Azure's services to its machines, whose address looks like anybody's.
_INSIDE: Final = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "64:ff9b:1::/48", "3fff::/20", "5f00::/16"))
)
#: All that is given out to the public of IPv6 (RFC 4291 and IANA's table).
_GLOBAL_UNICAST: Final = ip_network("2000::/3")
#: IPv6 addresses that carry an IPv4 one in their last bits: NAT64, and the old "compatible" form.
_CARRIERS: Final = (ip_network("64:ff9b::/96"), ip_network("::/96"))


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks in CIDR notation, separated by commas or white space. Raises ValueError."""
    return tuple(ip_network(part) for part in text.replace(",", " ").split())


def is_allowed(address: str, allowed: Iterable[Network]) -> bool:
    """Whether a connection may be made to `address`; `allowed` are the operator's exceptions."""
    found = parse_address(address)
    return is_within(found, allowed) or all(map(_is_public, [found, *_carried(found)]))


def parse_address(text: str) -> Address:
    """Without the zone that link-local ones have."""
    return ip_address(text.partition("%")[0])


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST and not _carried(address):
        return False
    return address.is_global and not address.is_multicast and not is_within(address, _INSIDE)


def _carried(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address leads on to."""
    if isinstance(address, IPv4Address):
        return []
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if is_within(address, _CARRIERS):
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in carried if one is not None]
