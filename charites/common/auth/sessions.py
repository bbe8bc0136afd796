"""Signing in, and renewing what that gave.

All refresh tokens that come of one sign-in are a family, one row: it says which of them is good now. Each is used once;
whoever comes with one that was used before, its owner or a thief, ends the family, and both have to sign in. A family
also ends with the password, with its user, and TOKEN_SESSION_SECONDS after the sign-in. The user's row is locked
meanwhile: what is signed is of before a change of password, and ends with it, or of after.
https://datatracker.ietf.org/doc/html/rfc9700#section-4.14.2
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model

from charites.common.auth.identity import Role
from charites.common.auth.standing import PRUNE_STEP, last_end, permissions_of
from charites.common.auth.tokens import LEEWAY_SECONDS, REFRESH, encode, issue_token, verify
from charites.common.errors import Unauthenticated, WrongPassword
from charites.common.models import RefreshFamily
from charites.common.sign_in import is_same_name
from charites.common.transactions import joined, run

MOST_FAMILIES = 20  # of a user; who signs in once more loses the one that would expire first


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str
    refresh: str


class Turn(NamedTuple):
    """Which token of a family one is, and when the family ends at the latest."""

    family: str
    number: int
    until: datetime


def sign_in(*, username: str, password: str, now: datetime) -> TokenPair:
    """Returns a token pair. Raises WrongPassword, also for unknown and disabled users; Busy, OutcomeUnknown."""
    known = authenticate(username=username, password=password)
    if known is None or not is_same_name(username, known.get_username()):
        raise WrongPassword
    return begin_session(user=known, now=now)


def begin_session(*, user: Any, now: datetime) -> TokenPair:
    """Returns the first token pair of a family. Raises WrongPassword for a user who has changed since he was read."""
    turn = Turn(secrets.token_hex(16), 1, now + timedelta(seconds=settings.TOKEN_SESSION_SECONDS))
    begun = run(lambda: store_family(user, turn, now), name="sign_in")
    if begun is None:
        raise WrongPassword
    stored, begun_at = begun
    return issue_pair(stored, turn, begun_at)


def refresh(*, token: str, now: datetime) -> TokenPair:
    """Returns a new pair for a refresh token, which is used up; role and permissions are read afresh. Raises
    Unauthenticated, TokenExpired; Busy, OutcomeUnknown."""
    found = verify(token, REFRESH)
    turn = read_turn(found.claims)
    user = run(lambda: take_turn(found.identity.user_id, turn, now), name="refresh_token")
    if user is None:
        raise Unauthenticated
    return issue_pair(user, turn._replace(number=turn.number + 1), now)


def issue_pair(user: Any, turn: Turn, now: datetime) -> TokenPair:
    """Signs an access token, and the refresh token that renews it."""
    role = Role.STAFF if user.is_staff else Role.CUSTOMER
    permissions = permissions_of(user) if user.is_staff else ()
    seconds = (expiry(turn, now) - now).total_seconds()
    claims = {"family": turn.family, "number": turn.number, "until": int(turn.until.timestamp())}
    return TokenPair(
        access=issue_token(user_id=user.pk, role=role, now=now, permissions=permissions),
        refresh=encode(user_id=user.pk, role=role, purpose=REFRESH, now=now, seconds=seconds, **claims),
    )


def read_turn(claims: Mapping[str, Any]) -> Turn:
    """Raises Unauthenticated for a token of before there were families."""
    try:
        return Turn(str(claims["family"]), int(claims["number"]), datetime.fromtimestamp(claims["until"], UTC))
    except (KeyError, TypeError, ValueError) as error:
        raise Unauthenticated from error


def expiry(turn: Turn, now: datetime) -> datetime:
    """Until when a token that is signed now is good."""
    return min(now + timedelta(seconds=settings.TOKEN_REFRESH_SECONDS), turn.until)


def store_family(user: Any, turn: Turn, now: datetime) -> tuple[Any, datetime] | None:
    """Between BEGIN and COMMIT: makes the row. Returns the user, and the moment from which tokens of this sign-in are:
    the password may have been hashed anew on the way, which has ended all until then. None for a user who is not any
    more what was read."""
    users = get_user_model().objects.select_for_update()
    stored = users.filter(pk=user.pk, is_active=True, password=user.password).first()
    if stored is None:
        return None
    families = RefreshFamily.objects.filter(user_id=user.pk)
    if surplus := list(families.order_by("-expires_at").values_list("pk", flat=True)[MOST_FAMILIES - 1 :]):
        families.filter(pk__in=surplus).delete()
    RefreshFamily.objects.create(
        family=turn.family,
        user_id=user.pk,
        number=turn.number,
        password_mark=mark_of(stored),
        expires_at=expiry(turn, now),
    )
    return stored, max(now, last_end(user.pk) or now)


def take_turn(user_id: int, turn: Turn, now: datetime) -> Any | None:
    """Between BEGIN and COMMIT: uses a token up. None where it is not the one that is good: its family then ends."""
    user = get_user_model().objects.select_for_update().filter(pk=user_id, is_active=True).first()
    family = RefreshFamily.objects.filter(family=turn.family, user_id=user_id)
    if user is not None:
        good = family.filter(number=turn.number, password_mark=mark_of(user))
        if good.update(number=turn.number + 1, expires_at=expiry(turn, now)):
            return user
    family.delete()
    return None


def mark_of(user: Any) -> str:
    """Stands for a password; another password has another one."""
    return sha256(user.password.encode()).hexdigest()


def end_sessions(*, user_ids: Collection[int]) -> None:
    """Ends all refresh tokens of these users, in the caller's transaction or one of its own."""
    with joined():
        RefreshFamily.objects.filter(user_id__in=user_ids).delete()


def prune_families(*, now: datetime) -> int:
    """Deletes one small step of the families whose last token has expired; returns how many."""
    expired = RefreshFamily.objects.filter(expires_at__lt=now - timedelta(seconds=LEEWAY_SECONDS))
    keys = list(expired.order_by("expires_at").values_list("pk", flat=True)[:PRUNE_STEP])
    return run(lambda: expired.filter(pk__in=keys).delete()[0], name="prune_families") if keys else 0
