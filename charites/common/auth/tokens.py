"""The bearer token itself: signed, expiring, carrying user id and role.

It is verified by its signature alone, so no service reads another's users. Tokens are JSON Web Tokens (RFC 7519).
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from django.conf import settings
from jwt.types import Options

from charites.common import clock
from charites.common.auth import keys
from charites.common.auth.identity import Identity, Permission, Role
from charites.common.errors import TokenExpired, Unauthenticated
from charites.common.models import MAX_INT64

LEEWAY_SECONDS = 10  # the clocks of two databases are never the same
# Times are looked at here, by the clock that decides; the library would ask this machine's.
OPTIONS: Options = {"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}
SERVICE_TOKEN_SECONDS = 60
VERIFIED_TOKENS = 20_000  # remembered a process, by their text: about 1 KB each
CONTENT_SECONDS = 24 * 3600  # longer than the ladder of any message
ACCESS, REFRESH, CONTENT = "access", "refresh", "content"  # what a token is good for


class Verified(NamedTuple):
    """What a token of ours says. Times are seconds since 1970; the claims are those of what is no access token."""

    identity: Identity
    issued_at: float
    expires_at: float
    claims: Mapping[str, Any]


def issue_token(
    *,
    user_id: int,
    role: Role,
    now: datetime,
    lifetime_seconds: int | None = None,
    name: str = "",
    permissions: Collection[Permission] = (),
) -> str:
    """Returns an access token. A service token may carry the user id 0, and a name: what it reserves is that name's.
    `permissions`: of staff, for services that do not know the users."""
    seconds = settings.TOKEN_ACCESS_SECONDS if lifetime_seconds is None else lifetime_seconds
    further = {**({"name": name} if name else {}), **({"may": sorted(permissions)} if permissions else {})}
    return encode(user_id=user_id, role=role, purpose=ACCESS, now=now, seconds=seconds, **further)


def service_header(name: str) -> str:
    """Returns a fresh `authorization` header by which the service of this name calls another."""
    now, seconds = clock.now(), SERVICE_TOKEN_SECONDS
    return f"Bearer {issue_token(user_id=0, role=Role.SERVICE, now=now, lifetime_seconds=seconds, name=name)}"


def sign_content(name: str, digest: str) -> str:
    """Returns what the service of this name signs a content with, whatever its form: a token that is good for nothing
    else. Raises ImproperlyConfigured where no token is signed."""
    now, further = clock.now(), {"name": name, "digest": digest}
    return encode(user_id=0, role=Role.SERVICE, purpose=CONTENT, now=now, seconds=CONTENT_SECONDS, **further)


def verify_content(signature: str, digest: str) -> Identity:
    """Returns which service has signed the content of this digest. Raises Unauthenticated, TokenExpired."""
    found = verify(signature, CONTENT)
    if found.identity.role is not Role.SERVICE or found.claims.get("digest") != digest:
        raise Unauthenticated
    return found.identity


def encode(*, user_id: int, role: Role, purpose: str, now: datetime, seconds: float, **further: Any) -> str:
    """Signs a token. Its first moment is exact, to tell it from those that ended in the same second."""
    issued_at = now.timestamp()
    times = {"iat": issued_at, "exp": int(issued_at + seconds)}
    claims = {"sub": str(user_id), "role": role.value, "use": purpose, **times, **further}
    key, algorithm = keys.signing()
    return jwt.encode(claims, key, algorithm)


def verify(token: str, purpose: str, now: Callable[[], datetime] = clock.now) -> Verified:
    """Returns what a token says. Raises Unauthenticated, TokenExpired."""
    found = _verify(token, purpose, keys.current())
    if now().timestamp() > found.expires_at + LEEWAY_SECONDS:
        raise TokenExpired
    return found


@lru_cache(VERIFIED_TOKENS)
def _verify(token: str, purpose: str, accepted: keys.Keys) -> Verified:
    """What a token says, whatever the time. What is remembered is forgotten with a change of the keys."""
    if not token.isascii():  # the library would fail over half a character, which AMQP can bring
        raise Unauthenticated
    for key in accepted.verifying:
        try:
            claims = jwt.decode(token, key.key, [key.algorithm], options=OPTIONS)
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError as error:
            raise Unauthenticated from error
        found = read_claims(claims, purpose)
        if not key.may_give(found.identity):
            raise Unauthenticated
        return found
    raise Unauthenticated


def read_claims(claims: Mapping[str, Any], purpose: str) -> Verified:
    """Raises Unauthenticated for what is no token of ours for this purpose."""
    if claims.get("use") != purpose:
        raise Unauthenticated
    try:
        permissions = frozenset(map(Permission, set(claims.get("may", ())) & set(Permission)))
        identity = Identity(int(claims["sub"]), Role(claims["role"]), claims.get("name", ""), permissions)
        issued_at, expires_at = float(claims.get("iat", 0)), float(claims["exp"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unauthenticated from error
    if not 0 <= identity.user_id <= MAX_INT64 or not identity.has_fitting_name:
        raise Unauthenticated
    return Verified(identity, issued_at, expires_at, claims if purpose != ACCESS else {})
