"""Refresh tokens: each is used once, and a family ends with its password, its user and its time."""

import threading
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from charites.common import clock
from charites.common.auth import (
    Role,
    end_tokens,
    issue_token,
    prune,
    read_authorization,
    refresh,
    sessions,
    sign_in,
)
from charites.common.auth.tokens import REFRESH, verify
from charites.common.errors import TokenExpired, Unauthenticated, WrongPassword
from charites.common.models import RefreshFamily
from charites.common.passwords import BoundedPasswordHasher
from lab.kit.factories import make_user, refresh_bearer
from lab.kit.interleaving import Background, Parked, await_lock_wait

pytestmark = pytest.mark.django_db(transaction=True)


def begun() -> str:
    """The refresh token of a sign-in of today."""
    make_user("mei")
    return sign_in(username="mei", password="charites", now=timezone.now()).refresh


def assert_refused(token: str, now: datetime | None = None) -> None:
    with pytest.raises(Unauthenticated):
        refresh(token=token, now=now or timezone.now())


def test_refresh_tokens_follow_each_other_and_each_is_used_once() -> None:
    first = begun()

    second = refresh(token=first, now=timezone.now()).refresh
    third = refresh(token=second, now=timezone.now()).refresh

    assert len({first, second, third}) == 3
    assert RefreshFamily.objects.get().number == 3


def test_second_use_ends_the_family_also_for_whoever_was_first() -> None:
    first = begun()
    second = refresh(token=first, now=timezone.now()).refresh

    assert_refused(first)

    assert RefreshFamily.objects.count() == 0
    assert_refused(second)


def test_sign_in_holds_though_it_has_the_password_hashed_anew() -> None:
    """As Django does where its number of rounds has grown: the user is saved, with another hash."""
    make_user("mei")
    older = BoundedPasswordHasher().encode("charites", "s" * 22, iterations=2)
    get_user_model().objects.update(password=older)

    pair = sign_in(username="mei", password="charites", now=clock.now())

    assert get_user_model().objects.get().password != older
    assert read_authorization(f"Bearer {pair.access}").role is Role.CUSTOMER
    assert refresh(token=pair.refresh, now=clock.now()).access


def test_token_of_the_moment_before_an_end_is_over_and_one_of_that_moment_is_good() -> None:
    user = make_user("mei")
    moment = clock.now().replace(microsecond=600)
    before, at = (
        issue_token(user_id=user.pk, role=Role.CUSTOMER, now=moment - timedelta(microseconds=earlier))
        for earlier in (1, 0)
    )

    end_tokens(user_ids=[user.pk], now=moment)

    assert read_authorization(f"Bearer {at}").user_id == user.pk
    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {before}")


def test_other_sign_ins_of_the_user_go_on() -> None:
    first = begun()
    elsewhere = sign_in(username="mei", password="charites", now=timezone.now()).refresh
    refresh(token=first, now=timezone.now())

    assert_refused(first)

    assert refresh(token=elsewhere, now=timezone.now()).access


@pytest.mark.servers  # SQLite has no row locks to stop at
def test_of_two_uses_at_once_one_is_served_and_the_family_ends() -> None:
    first = begun()
    outcomes: list[str] = []

    def use() -> None:
        try:
            outcomes.append(refresh(token=first, now=timezone.now()).refresh)
        except Unauthenticated:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count("refused") == 7
    assert_refused(next(outcome for outcome in outcomes if outcome != "refused"))


@pytest.mark.parametrize("how", ["save", "update"])
def test_family_ends_with_the_password_whoever_changes_it(how: str) -> None:
    token = begun()
    user = get_user_model().objects.get(username="mei")

    user.set_password("another")
    if how == "save":
        user.save()
    else:
        get_user_model().objects.filter(pk=user.pk).update(password=user.password)

    assert_refused(token)
    assert RefreshFamily.objects.count() == 0


@pytest.mark.parametrize("how", ["save", "update", "delete"])
def test_family_ends_with_its_user(how: str) -> None:
    token = begun()
    user = get_user_model().objects.get(username="mei")

    if how == "save":
        user.is_active = False
        user.save()
        assert RefreshFamily.objects.count() == 0  # and does not come back with him
    elif how == "update":
        get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    else:
        user.delete()

    assert_refused(token)
    assert RefreshFamily.objects.count() == 0


def test_family_has_an_end_however_often_it_is_renewed(settings) -> None:
    settings.TOKEN_REFRESH_SECONDS, settings.TOKEN_SESSION_SECONDS = 1000, 2500
    make_user("mei")
    start = timezone.now()
    token = sign_in(username="mei", password="charites", now=start).refresh
    ends = [expiry_of(token)]

    for seconds in (900, 1800, 2400):
        token = refresh(token=token, now=start + timedelta(seconds=seconds)).refresh
        ends.append(expiry_of(token))

    assert [round((end - start).total_seconds() / 10) * 10 for end in ends] == [1000, 1900, 2500, 2500]


def expiry_of(token: str) -> datetime:
    return datetime.fromtimestamp(verify(token, REFRESH).expires_at, UTC)


def test_expired_refresh_token_is_refused_and_says_so(settings) -> None:
    make_user("mei")
    past = timezone.now() - timedelta(seconds=settings.TOKEN_REFRESH_SECONDS + 60)
    token = sign_in(username="mei", password="charites", now=past).refresh

    with pytest.raises(TokenExpired):
        refresh(token=token, now=timezone.now())


def test_refresh_token_without_a_family_is_refused() -> None:
    """As they were signed by the version before: they ended with nothing."""
    user = make_user("mei")

    assert_refused(refresh_bearer(user.pk).removeprefix("Bearer "))


@pytest.mark.parametrize("change", [{"number": 7}, {"family": "x" * 32}, {"number": "x"}, {"until": None}])
def test_refresh_token_of_another_turn_is_refused(settings, change: dict[str, object]) -> None:
    token = begun()
    claims = jwt.decode(token, options={"verify_signature": False})

    assert_refused(jwt.encode({**claims, **change}, settings.SECRET_KEY, "HS256"))


def test_refresh_token_of_somebody_else_ends_no_family_of_this_user(settings) -> None:
    token = begun()
    claims = jwt.decode(token, options={"verify_signature": False})
    other = make_user("other")

    assert_refused(jwt.encode({**claims, "sub": str(other.pk)}, settings.SECRET_KEY, "HS256"))

    assert refresh(token=token, now=timezone.now()).access


def test_sign_in_whose_password_changes_meanwhile_is_refused() -> None:
    user = make_user("mei")
    read = get_user_model().objects.get(pk=user.pk)
    user.set_password("another")
    user.save()

    with pytest.raises(WrongPassword):
        sessions.begin_session(user=read, now=timezone.now())
    assert RefreshFamily.objects.count() == 0


def test_user_has_a_bounded_number_of_families_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_FAMILIES", 3)
    make_user("mei")
    now = timezone.now()

    tokens = [
        sign_in(username="mei", password="charites", now=now + timedelta(seconds=second)).refresh for second in range(4)
    ]

    assert RefreshFamily.objects.count() == 3
    assert_refused(tokens[0])
    assert [bool(refresh(token=token, now=now).access) for token in tokens[1:]] == [True] * 3


def test_expired_families_are_pruned_and_others_stay(settings) -> None:
    begun()
    now = timezone.now()
    later = now + timedelta(seconds=settings.TOKEN_REFRESH_SECONDS + 60)

    assert (prune(now=now), prune(now=later), prune(now=later)) == (0, 1, 0)
    assert RefreshFamily.objects.count() == 0


@pytest.mark.servers
def test_refresh_and_a_new_password_at_once_leave_no_good_token() -> None:
    """The change waits until the refresh is over, and its end comes after what that has signed."""
    token = begun()
    user = get_user_model().objects.get(username="mei")
    user.set_password("another")

    def change() -> None:
        get_user_model().objects.filter(pk=user.pk).update(password=user.password)
        end_tokens(user_ids=[user.pk], now=timezone.now())

    with (
        Parked(lambda: refresh(token=token, now=timezone.now()), at="UPDATE charites_refresh_family") as refreshing,
        Background(change) as changing,
    ):
        await_lock_wait()
        renewed = refreshing.go()
        changing.result()

    assert_refused(renewed.refresh)
    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {renewed.access}")
