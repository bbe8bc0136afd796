"""Whether a caller is on this very machine: what well-known secrets open, they open for nobody else."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import unquote

from django.conf import settings

FORWARDING = frozenset({"forwarded", "via", "x-real-ip"})  # and X-Forwarded-...


def is_near(address: str, headers: Iterable[str]) -> bool:
    """Whether a request of this address, with headers of these names, was sent from here and by no proxy: one on this
    machine would lend its address to everybody."""
    return not settings.TRUST_PROXY and is_loopback(address) and not any(map(is_forwarding, headers))


def is_loopback(address: str) -> bool:
    """Whether this is an address of the machine itself; no name is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def is_forwarding(header: str) -> bool:
    """Whether a proxy has put this header in."""
    name = header.lower()
    return name in FORWARDING or name.startswith("x-forwarded-")


def address_of(peer: str) -> str:
    """The address in what grpcio calls a peer, such as `ipv4:127.0.0.1:50000` or `ipv6:%5B::1%5D:50000`; of any other
    kind an empty string."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
