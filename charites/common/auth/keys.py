"""What tokens are signed with, and which signatures count.

One deployable signs and verifies with `SECRET_KEY` (HS256). Services that shall verify tokens without being able to
make any are given public keys (Ed25519), each with the roles for which its owner may sign.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from charites.common.auth.identity import SERVICE_NAME, SHOP_NAME, Identity, Role

SECRET, PAIR = "HS256", "EdDSA"
ALL_ROLES = frozenset(Role)
NAMED = f"{Role.SERVICE}:"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key, the one algorithm that it is for, and the roles that its owner may give; `name`: that of the one service
    that its owner is, empty for any."""

    key: Any
    algorithm: str
    roles: frozenset[Role] = ALL_ROLES
    name: str = ""

    def may_give(self, identity: Identity) -> bool:
        """Whether its owner may sign for a caller: its role, and of services the one that it names. Without a name the
        shop's own is left to who signs customers in."""
        if identity.role is not Role.SERVICE:
            return identity.role in self.roles
        is_named = (
            identity.name == self.name if self.name else identity.name != SHOP_NAME or Role.CUSTOMER in self.roles
        )
        return Role.SERVICE in self.roles and is_named


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """`signing` is None where tokens are only verified. Two of these are never the same: what was verified with one is
    forgotten with it."""

    signing: Any
    algorithm: str
    verifying: Sequence[VerifyingKey]


def current() -> Keys:
    """The keys of the settings. Raises ImproperlyConfigured."""
    fallbacks, public = tuple(settings.SECRET_KEY_FALLBACKS), tuple(settings.TOKEN_PUBLIC_KEYS)
    return _keys(settings.SECRET_KEY, fallbacks, settings.TOKEN_PRIVATE_KEY, public)


def signing() -> tuple[Any, str]:
    """The key to sign with, and its algorithm. Raises ImproperlyConfigured where there is none."""
    keys = current()
    if keys.signing is None:
        raise ImproperlyConfigured("TOKEN_PRIVATE_KEY is not set: so no token is signed here.")
    return keys.signing, keys.algorithm


@lru_cache(16)
def _keys(secret: str, fallbacks: tuple[str, ...], private: str, public: tuple[str, ...]) -> Keys:
    if not private and not public:
        accepted = [VerifyingKey(key, SECRET) for key in (secret, *fallbacks)]
        return Keys(secret, SECRET, accepted)
    verifying = [public_key(entry) for entry in public]
    own = private_key(private) if private else None
    if own:
        verifying.insert(0, VerifyingKey(own.public_key(), PAIR))
    return Keys(own, PAIR, verifying)


def private_key(text: str) -> Ed25519PrivateKey:
    """Reads TOKEN_PRIVATE_KEY."""
    try:
        found = load_pem_private_key(pem("TOKEN_PRIVATE_KEY", text), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ImproperlyConfigured(f"TOKEN_PRIVATE_KEY is no private key in PEM: {error}") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ImproperlyConfigured("TOKEN_PRIVATE_KEY is not of the kind Ed25519.")
    return found


def public_key(entry: str) -> VerifyingKey:
    """Reads one of TOKEN_PUBLIC_KEYS: roles joined by +, an equals sign, PEM or the path of a file. `service:NAME` is
    the role of the service of that name alone."""
    words, _, text = entry.partition("=")
    given = {word.strip() for word in words.split("+")}
    names = [word.removeprefix(NAMED) for word in given if word.startswith(NAMED)]
    named = {Role.SERVICE if word.startswith(NAMED) else word for word in given}
    is_clear = len(names) <= 1 and len(named) == len(given) and all(re.fullmatch(SERVICE_NAME, name) for name in names)
    if not text or not is_clear or not named <= set(Role):
        roles = ", ".join(Role)
        raise ImproperlyConfigured(
            f"TOKEN_PUBLIC_KEYS wants ROLES=KEY, of {roles} and service:NAME joined by +, not {words[:64]!r}."
        )
    try:
        found = load_pem_public_key(pem("TOKEN_PUBLIC_KEYS", text))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ImproperlyConfigured(f"TOKEN_PUBLIC_KEYS has for {words} no public key in PEM: {error}") from error
    if not isinstance(found, Ed25519PublicKey):
        raise ImproperlyConfigured(f"TOKEN_PUBLIC_KEYS has for {words} a key that is not of the kind Ed25519.")
    return VerifyingKey(found, PAIR, frozenset(map(Role, named)), *names)


def pem(name: str, text: str) -> bytes:
    """The PEM itself, or what is in the file of that path."""
    text = text.strip()
    if text.startswith("-----BEGIN"):
        return text.replace("\\n", "\n").encode()
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: cannot read {text[:256]}: {error.strerror}.") from error
