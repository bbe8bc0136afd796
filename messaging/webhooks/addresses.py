"""Where a call of ours may go: to the public Internet, and nowhere else unless a setting allows a network.

Whoever may name an address could else make the shop call what only the shop can reach. The name is resolved here, every
address of it is looked at, and the connection goes to one of those that were: a name that means something else a moment
later changes nothing. Redirects are not followed.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import httpcore
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from messaging.models import URL_LENGTH

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
CONNECT_SECONDS = 2.0  # to one of several addresses; then the next is tried
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind a translator (RFC 6052)
TUNNELLED = (0x0000_5EFE, 0x0200_5EFE)  # in front of an IPv4 address: the IPv6 address of its machine (RFC 5214)
NOBODYS = (
    ipaddress.ip_network("3fff::/20"),  # for documents (RFC 9637)
    ipaddress.ip_network("168.63.129.16/32"),  # what a machine in Azure asks about itself
)


class NotAllowed(Exception):
    """A call to this address is not made; `reason`, filled with `details`, says why to whoever names such an address,
    and to whoever reads why a delivery was not taken."""

    def __init__(self, reason: str | Promise, **details: str) -> None:
        super().__init__(reason, details)
        self.reason, self.details = reason, details

    def __str__(self) -> str:
        return str(self.reason) % self.details


@cache
def networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in text.split(",") if word)


def is_allowed_private(address: Address) -> bool:
    return any(address in network for network in networks(",".join(settings.WEBHOOK_PRIVATE_NETWORKS)))


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet, whatever other address is written into it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in TRANSLATED or (int(address) >> 32) & 0xFFFFFFFF in TUNNELLED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
        if address.is_site_local:
            return False
    if any(address in network for network in NOBODYS):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def check(addresses: Iterable[str], *, is_secure: bool) -> list[str]:
    """Returns the addresses, all of which may be called. Raises NotAllowed."""
    found = list(dict.fromkeys(addresses))
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if is_allowed_private(address):
            continue
        if not is_public(address):
            raise NotAllowed(
                _("%(address)s is in a private network: name that in WEBHOOK_PRIVATE_NETWORKS if it is yours"),
                address=text,
            )
        if not is_secure:
            raise NotAllowed(
                _("http:// is for the networks of WEBHOOK_PRIVATE_NETWORKS, and %(address)s is in none: use https://"),
                address=text,
            )
    if not found:
        raise NotAllowed(_("the name has no address"))
    return found


def check_url(url: str) -> None:
    """Raises Invalid for what no endpoint can have; names are looked up when they are called."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid("url", _("is not a web address")) from error
    is_fine = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_LENGTH
    if not is_fine or not url.startswith(("https://", "http://")) or not parts.hostname or port == 0:
        raise Invalid("url", _("must be https:// with a host, such as https://shop.example/hooks"))
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Invalid("url", _("may hold neither a password nor a fragment"))
    try:
        check([str(ipaddress.ip_address(parts.hostname))], is_secure=parts.scheme == "https")
    except ValueError:
        return  # a name
    except NotAllowed as error:
        raise Invalid("url", error.reason, **error.details) from error


class CheckedBackend(httpcore.AnyIOBackend):
    """Connects to addresses that were looked at, and to no other. One a portion: its name is looked up once."""

    def __init__(self, *, is_secure: bool) -> None:
        self._is_secure = is_secure
        self._lookup: asyncio.Future[Sequence[str]] | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if self._lookup is None:
            self._lookup = asyncio.ensure_future(resolve(host, port))
        addresses = check(await asyncio.shield(self._lookup), is_secure=self._is_secure)
        for address in addresses[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await super().connect_tcp(address, port, CONNECT_SECONDS, local_address, socket_options)
        return await super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, path: str, *args: object, **options: object) -> httpcore.AsyncNetworkStream:
        raise NotAllowed(_("a socket of this machine is not called"))


async def resolve(host: str, port: int) -> Sequence[str]:
    """Returns the addresses of a name. Raises NotAllowed when it has none.

    In a thread that nobody waits for: a name server that is silent would hold up the end of a portion for a minute.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(addresses: Sequence[str] | None) -> None:
        if found.done():
            return
        if addresses is None:
            found.set_exception(NotAllowed(_("%(host)s is not found"), host=host))
        else:
            found.set_result(addresses)

    def look_up() -> None:
        addresses = None
        with suppress(OSError, UnicodeError):
            addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        with suppress(RuntimeError):  # the portion is over
            loop.call_soon_threadsafe(settle, addresses)

    threading.Thread(target=look_up, name="webhook-name", daemon=True).start()
    return await found
