"""One bearer token for REST and gRPC: signed, expiring, carrying user id and role.

A token is verified by its signature alone, so no service reads another's users. Tokens are JSON Web Tokens
(RFC 7519), HS256 over `SECRET_KEY`; `SECRET_KEY_FALLBACKS` are accepted while a key is being replaced.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.utils.translation import gettext_lazy as _
from jwt.types import Options

from charites.common import clock
from charites.common.errors import Forbidden, Invalid, TokenExpired, Unauthenticated, WrongPassword
from charites.common.models import MAX_INT64

ALGORITHM = "HS256"
LEEWAY_SECONDS = 10  # the clocks of two databases are never the same
# Times are looked at here, by the clock that decides; the library would ask this machine's.
OPTIONS: Options = {"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}
SERVICE_TOKEN_SECONDS = 60
DEMO_SERVICE_HEADER = "Bearer token"
# Whose name a header of the demo stands for; "" is a service.
DEMO_HEADERS = {"token": "", '"token"': "", DEMO_SERVICE_HEADER: ""}
DEMO_HEADERS |= {f"Bearer {name}": name for name in ("buyer", "buyer2", "staff")}
PERSONAL_DATA = "orders.view_personal_data"  # Django's permission
SERVICE_NAME = r"[a-z][a-z0-9_.-]{0,63}"
VERIFIED_TOKENS = 20_000  # remembered a process, by their text: about 1 KB each


class Role(StrEnum):
    CUSTOMER = "customer"  # own orders only
    STAFF = "staff"  # stock, rooms, complete
    SERVICE = "service"  # another service: acts for any user id


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls. `user_id` is 0 for a service that acts for nobody in particular; `name`: a service's."""

    user_id: int
    role: Role
    name: str = ""

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def pk(self) -> int:
        return self.user_id

    @property
    def actor(self) -> str:
        """How logs, adjustments and stock records name the caller."""
        return f"{self.role.value}:{self.name or self.user_id}"

    @property
    def visible_user_id(self) -> int | None:
        """Whose orders the caller may see: a customer's own; None means everybody's."""
        return self.user_id if self.role is Role.CUSTOMER else None

    @property
    def sees_personal_data(self) -> bool:
        """Whether the caller sees names, phones and addresses of others: services, and staff whom Django allows."""
        if self.role is not Role.STAFF:
            return self.role is Role.SERVICE
        user = get_user_model().objects.filter(pk=self.user_id, is_active=True).first()
        return user is not None and user.has_perm(PERSONAL_DATA)

    def require(self, *roles: Role) -> None:
        """Raises Forbidden unless the caller has one of the roles."""
        if self.role not in roles:
            raise Forbidden

    def acting_for(self, user_id: int) -> int:
        """Returns the user this call is for: the caller, or (service role only) the one it names.

        Raises Forbidden for somebody else's id, Invalid when nobody is named at all.
        """
        if user_id and user_id != self.user_id:
            self.require(Role.SERVICE)
        if (acting := user_id or self.user_id) < 1:
            raise Invalid("user_id", _("is missing"))
        return acting


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str
    refresh: str


def sign_in(*, username: str, password: str, now: datetime) -> TokenPair:
    """Returns a token pair. Raises WrongPassword, also for unknown and disabled users."""
    user = authenticate(username=username, password=password)
    if user is None:
        raise WrongPassword
    return issue_pair(user_id=user.pk, role=Role.STAFF if user.is_staff else Role.CUSTOMER, now=now)


def refresh(*, token: str, now: datetime) -> TokenPair:
    """Returns a new pair for a refresh token; the role is read afresh. Raises Unauthenticated."""
    user_id = _decode(token, "refresh").user_id
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise Unauthenticated
    return issue_pair(user_id=user.pk, role=Role.STAFF if user.is_staff else Role.CUSTOMER, now=now)


def issue_pair(*, user_id: int, role: Role, now: datetime) -> TokenPair:
    """Returns an access token and the refresh token that renews it."""
    return TokenPair(
        access=issue_token(user_id=user_id, role=role, now=now),
        refresh=_encode(user_id, role, "refresh", now, settings.TOKEN_REFRESH_SECONDS),
    )


def issue_token(*, user_id: int, role: Role, now: datetime, lifetime_seconds: int | None = None, name: str = "") -> str:
    """Returns an access token. A service token may carry the user id 0, and a name: what it reserves is that name's."""
    seconds = settings.TOKEN_ACCESS_SECONDS if lifetime_seconds is None else lifetime_seconds
    return _encode(user_id, role, "access", now, seconds, name)


def service_header(name: str) -> str:
    """Returns a fresh `authorization` header by which the service of this name calls another."""
    token = issue_token(
        user_id=0, role=Role.SERVICE, now=clock.now(), lifetime_seconds=SERVICE_TOKEN_SECONDS, name=name
    )
    return f"Bearer {token}"


def read_authorization(header: str) -> Identity:
    """Returns who an `authorization` header speaks for. Raises Unauthenticated."""
    if settings.DEMO and (identity := _demo_identity(header)):
        return identity
    return _decode(_bearer_token(header), "access")


def identify_at_once(header: str) -> Identity | None:
    """The same for an event loop: None where it takes a look at the database. Raises Unauthenticated."""
    now = clock.carried()
    if now is None or (settings.DEMO and header in DEMO_HEADERS):
        return None
    return _decode(_bearer_token(header), "access", lambda: now)


def _bearer_token(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def _demo_identity(header: str) -> Identity | None:
    """The demo's well-known tokens. The bare and the quoted word are what the original's clients send."""
    if header not in DEMO_HEADERS:
        return None
    username = DEMO_HEADERS[header]
    if not username:
        return Identity(user_id=0, role=Role.SERVICE)
    user = get_user_model().objects.filter(username=username, is_active=True).first()
    if user is None:
        return None
    return Identity(user_id=user.pk, role=Role.STAFF if user.is_staff else Role.CUSTOMER)


def _encode(user_id: int, role: Role, purpose: str, now: datetime, lifetime_seconds: int, name: str = "") -> str:
    claims = {
        "sub": str(user_id),
        "role": role.value,
        "use": purpose,
        "iat": now,
        "exp": now + timedelta(seconds=lifetime_seconds),
        **({"name": name} if name else {}),
    }
    return jwt.encode(claims, settings.SECRET_KEY, ALGORITHM)


def _decode(token: str, purpose: str, now: Callable[[], datetime] = clock.now) -> Identity:
    identity, expires_at = _verify(token, purpose, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    if now().timestamp() > expires_at + LEEWAY_SECONDS:
        raise TokenExpired
    return identity


@lru_cache(VERIFIED_TOKENS)
def _verify(token: str, purpose: str, keys: tuple[str, ...]) -> tuple[Identity, float]:
    """Returns who a token speaks for, and until when. What is remembered is forgotten with a change of the keys."""
    for key in keys:
        try:
            claims = jwt.decode(token, key, [ALGORITHM], options=OPTIONS)
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError as error:
            raise Unauthenticated from error
        return _identity(claims, purpose), _expiry(claims)
    raise Unauthenticated


def has_fitting_name(identity: Identity) -> bool:
    """Only services have names, and none that somebody's number looks like: they stand in logs and stock records."""
    if identity.name == "":
        return True
    return identity.role is Role.SERVICE and re.fullmatch(SERVICE_NAME, str(identity.name)) is not None


def _expiry(claims: dict[str, Any]) -> float:
    try:
        return float(claims["exp"])
    except (TypeError, ValueError) as error:
        raise Unauthenticated from error


def _identity(claims: dict[str, str], purpose: str) -> Identity:
    if claims.get("use") != purpose:
        raise Unauthenticated
    try:
        identity = Identity(int(claims["sub"]), Role(claims["role"]), claims.get("name", ""))
    except (KeyError, ValueError) as error:
        raise Unauthenticated from error
    if not 0 <= identity.user_id <= MAX_INT64 or not has_fitting_name(identity):
        raise Unauthenticated
    return identity
