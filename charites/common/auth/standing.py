"""What has changed since a token was signed: staff whose rights are others by now, and users whose tokens have ended.

Both are looked at where the users are (`USERS_ARE_HERE`), and at most a minute late. Of staff what Django says is kept
for a moment, one by one. Whose tokens have ended is a short list, which each process reads every few seconds, so that a
customer's call costs no statement.
"""

import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from charites.common import clock
from charites.common.auth.identity import Identity, Permission
from charites.common.errors import Unauthenticated
from charites.common.models import TokenEnd
from charites.common.recent import Recent
from charites.common.transactions import after_commit, joined, run

STAFF_SECONDS = 30.0
ENDS_SECONDS = 40.0  # read anew after half of it
ALL = "all"
PRUNE_STEP = 500

Permissions = frozenset[Permission]
Ends = Mapping[int, float]  # user id -> the moment before which no token is good any more

_staff: Recent[int, Permissions] = Recent(STAFF_SECONDS)
_ends: Recent[str, Ends] = Recent(ENDS_SECONDS)


# Staff


def permissions_of_staff(user_id: int) -> Permissions:
    """What Django lets a member of staff do. Raises Unauthenticated for whoever is none any more."""
    found = _staff.get_fresh(user_id)
    return read_permissions(user_id) if found is None else found


def permissions_at_once(user_id: int) -> Permissions | None:
    """The same for an event loop: None where it takes a look at the database."""
    return _staff.recall(user_id)


def read_permissions(user_id: int) -> Permissions:
    """Asks Django. Raises Unauthenticated for whoever is no member of staff."""
    read_at = time.monotonic()
    user = get_user_model().objects.filter(pk=user_id, is_active=True, is_staff=True).first()
    if user is None:
        raise Unauthenticated
    found = permissions_of(user)
    _staff.note(user_id, found, read_at=read_at)
    return found


def permissions_of(user: object) -> Permissions:
    """Those of Django's permissions that the protocols ask for."""
    return frozenset(permission for permission in Permission if user.has_perm(permission))  # type: ignore[attr-defined]


def name_of(identity: Identity) -> str:
    """What the caller is called: a service as its token says, a user as the row does; empty where there is none."""
    users = get_user_model().objects.filter(pk=identity.user_id).values_list("username", flat=True)
    return identity.name or users.first() or ""


# The ends of tokens


def ends() -> Ends:
    """Whose tokens have ended, and when."""
    found = _ends.get_fresh(ALL)
    return load_ends() if found is None else found


def ends_at_once() -> Ends | None:
    """The same for an event loop: None where it takes a look at the database."""
    found = _ends.get_fresh(ALL)  # half as much work as to recall it, in every call
    return _ends.recall(ALL) if found is None else found


def load_ends() -> Ends:
    """Reads the list. Tokens that were signed before what is left out have expired."""
    read_at = time.monotonic()
    rows = TokenEnd.objects.filter(not_before__gt=clock.now() - lifetime())
    found = {user_id: not_before.timestamp() for user_id, not_before in rows.values_list("user_id", "not_before")}
    _ends.note(ALL, found, read_at=read_at)
    return found


def last_end(user_id: int) -> datetime | None:
    """The moment before which no token of this user is good, if there is one."""
    return TokenEnd.objects.filter(user_id=user_id).values_list("not_before", flat=True).first()


def lifetime() -> timedelta:
    """How long an end is remembered: twice as long as a token lives, for clocks and for a setting that changes."""
    return timedelta(seconds=2 * settings.TOKEN_ACCESS_SECONDS)


def end_tokens(*, user_ids: Collection[int], now: datetime) -> None:
    """Ends the tokens that these users have had until `now`, in the caller's transaction or one of its own.

    Signals call it when a user is saved or deleted; code that uses `update()` calls it itself. Other processes see it
    within a minute.
    """
    with joined():
        store_ends(user_ids, now)


def store_ends(user_ids: Collection[int], now: datetime) -> None:
    """Writes the ends in the order of their keys."""
    TokenEnd.objects.bulk_create(
        [TokenEnd(user_id=user_id, not_before=now) for user_id in sorted(user_ids)],
        update_conflicts=True,
        update_fields=["not_before"],
        unique_fields=["user_id"] if connection.features.supports_update_conflicts_with_target else None,
    )
    after_commit(forget)


def prune_ends(*, now: datetime) -> int:
    """Deletes one small step of the ends that no token is older than; returns how many."""
    old = TokenEnd.objects.filter(not_before__lt=now - lifetime())
    keys = list(old.order_by("not_before").values_list("pk", flat=True)[:PRUNE_STEP])
    return run(lambda: old.filter(pk__in=keys).delete()[0], name="prune_token_ends") if keys else 0


def forget() -> None:
    """For who has changed users here."""
    _staff.forget()
    _ends.forget()


def clear() -> None:
    """For tests: nobody is known, and nobody's tokens have ended."""
    _staff.clear()
    _ends.clear()
    _ends.note(ALL, {}, read_at=time.monotonic())
