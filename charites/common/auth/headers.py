"""From an `authorization` header to who calls, the same for REST, both transports of gRPC, and the gateway."""

from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.contrib.auth import get_user_model

from charites.common import clock
from charites.common.auth import standing
from charites.common.auth.identity import Identity, Role
from charites.common.auth.tokens import ACCESS, Verified, verify
from charites.common.errors import Unauthenticated

DEMO_SERVICE = "demo"  # what it reserves is its own, and wants no order of the shop's
DEMO_SERVICE_HEADER = "Bearer token"
# Whose name a header of the demo stands for; "" is a service.
DEMO_HEADERS = {"token": "", '"token"': "", DEMO_SERVICE_HEADER: ""}
DEMO_HEADERS |= {f"Bearer {name}": name for name in ("buyer", "buyer2", "staff")}


def nobody() -> bool:
    """Nobody is near."""
    return False


def read_authorization(header: str, is_near: Callable[[], bool] = nobody) -> Identity:
    """Returns who an `authorization` header speaks for. Raises Unauthenticated.

    `is_near`: whether its sender is on this machine; asked only for the tokens of the demo, which everybody knows.
    """
    if settings.DEMO and header in DEMO_HEADERS and is_near() and (known := demo_identity(header)):
        return known
    found = verify(bearer_token(header), ACCESS)
    identity = as_of_now(found, standing.ends, standing.permissions_of_staff)
    if identity is None:
        raise AssertionError("whoever may look knows")
    return identity


def identify_at_once(header: str) -> Identity | None:
    """The same for an event loop: None where it takes a look at the database. Raises Unauthenticated."""
    now = clock.carried()
    if now is None or (settings.DEMO and header in DEMO_HEADERS):
        return None
    found = verify(bearer_token(header), ACCESS, lambda: now)
    return as_of_now(found, standing.ends_at_once, standing.permissions_at_once)


def as_of_now(
    found: Verified,
    ends: Callable[[], standing.Ends | None],
    permissions_of: Callable[[int], standing.Permissions | None],
) -> Identity | None:
    """Who a token speaks for, after what has changed since it was signed; None where that is not known. Where the users
    are another service's, it is what the token says, until it expires. Raises Unauthenticated."""
    identity = found.identity
    if identity.role is Role.SERVICE or not settings.USERS_ARE_HERE:
        return identity
    if (ended := ends()) is None:
        return None
    if found.issued_at < ended.get(identity.user_id, 0.0):
        raise Unauthenticated
    if identity.role is Role.CUSTOMER:
        return identity
    permissions = permissions_of(identity.user_id)
    return None if permissions is None else replace(identity, permissions=permissions)


def bearer_token(header: str) -> str:
    """The token in a header. Raises Unauthenticated."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def demo_identity(header: str) -> Identity | None:
    """The demo's well-known tokens. The bare and the quoted word are what the original's clients send."""
    username = DEMO_HEADERS[header]
    if not username:
        return Identity(user_id=0, role=Role.SERVICE, name=DEMO_SERVICE)
    user = get_user_model().objects.filter(username=username, is_active=True).first()
    if user is None:
        return None
    if not user.is_staff:
        return Identity(user_id=user.pk, role=Role.CUSTOMER)
    return Identity(user.pk, Role.STAFF, permissions=standing.permissions_of_staff(user.pk))
