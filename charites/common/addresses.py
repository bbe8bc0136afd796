"""Where callers are, for the log and for limits: the address at the other end, or what proxies in front say it is."""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import unquote

from django.conf import settings

FORWARDED_FOR = "x-forwarded-for"
ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
IPV6_NETWORK = 64  # bits: what one caller is given


def caller_address(peer: str, forwarded: str) -> str:
    """Returns who calls: `peer`, who is connected, or with NUM_PROXIES the one that so many proxies name in
    `forwarded`, the header X-Forwarded-For. Each of them adds at its end whom it was called by; what stands before that
    is the caller's own word, and so is all of it without proxies."""
    proxies = settings.NUM_PROXIES
    if not proxies or not forwarded:
        return peer
    named = forwarded.split(",")
    address = without_port(named[-min(proxies, len(named))].strip())
    return address if ADDRESS.fullmatch(address) else peer


def without_port(named: str) -> str:
    """The address in what a proxy names; some add the port, which is another one with each connection."""
    if named.startswith("["):
        return named[1:].partition("]")[0]
    host, _, port = named.partition(":")
    return host if "." in host and port.isdigit() else named


def network_of(address: str) -> str:
    """What counts as one caller: of IPv6 the network, all addresses of which are his. What is no address stays."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return address
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, IPV6_NETWORK), strict=False))


@lru_cache(1_000)  # one a connection, and asked for with every call
def host_of(peer: str) -> str:
    """The address in what grpcio calls a peer: `ipv4:10.0.0.5:1234` or `ipv6:%5B::1%5D:1234`; empty for a socket in the
    file system."""
    kind, _, rest = peer.partition(":")
    return unquote(rest.rpartition(":")[0]).strip("[]") if kind.startswith("ip") else ""
