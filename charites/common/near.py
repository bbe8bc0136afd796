"""Whether a caller is on this very machine: what well-known secrets open, they open for nobody else."""

import ipaddress
from collections.abc import Iterable

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
