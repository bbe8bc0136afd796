import base64
import json
from datetime import timedelta

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from charites.common import clock
from charites.common.auth import (
    LEEWAY_SECONDS,
    Identity,
    Permission,
    Role,
    identify_at_once,
    issue_token,
    read_authorization,
    refresh,
    sign_content,
    sign_in,
    verify_content,
)
from charites.common.errors import Forbidden, Invalid, TokenExpired, Unauthenticated, WrongPassword
from charites.common.models import MAX_INT64
from lab.kit.factories import make_user, refresh_bearer

OTHER_KEY = "another-key-which-is-long-enough-to-pass-every-check-0123456789-0123456789"


def token(user_id: int = 7, role: Role = Role.CUSTOMER, *, now=None, lifetime_seconds=None) -> str:
    return issue_token(user_id=user_id, role=role, now=now or timezone.now(), lifetime_seconds=lifetime_seconds)


def signed(settings, **claims) -> str:
    """A token with other claims than ours, under our key."""
    now = timezone.now()
    whole = {"sub": "7", "role": "customer", "use": "access", "iat": now, "exp": now + timedelta(hours=1), **claims}
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, settings.SECRET_KEY, "HS256")


# Tokens


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.SERVICE])
def test_token_says_who_calls(role):
    assert read_authorization(f"Bearer {token(7, role)}") == Identity(7, role)


def test_content_is_signed_in_the_name_of_a_service_and_the_signature_is_good_for_nothing_else():
    signature = sign_content("orders", "digest")

    assert verify_content(signature, "digest") == Identity(0, Role.SERVICE, "orders")
    for signed, digest in ((signature, "another"), (token(0, Role.SERVICE), "digest"), ("rubbish", "digest")):
        with pytest.raises(Unauthenticated):
            verify_content(signed, digest)
    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {signature}")


@pytest.mark.parametrize("name", ["CHANGE_STOCK", "VIEW_ORDER"])
def test_token_of_staff_says_what_they_may_where_the_users_are_another_services(settings, name):
    settings.USERS_ARE_HERE = False
    may = issue_token(user_id=7, role=Role.STAFF, now=timezone.now(), permissions=[Permission[name]])

    for read in (read_authorization, identify_at_once):
        assert read(f"Bearer {may}").permissions == {Permission[name]}
        assert read(f"Bearer {token(7, Role.STAFF)}").permissions == frozenset()


def test_permissions_in_a_token_of_another_role_count_for_nothing(settings):
    """Whoever has a key for tokens of customers can sign what it likes, and gives nobody more than a customer has."""
    settings.USERS_ARE_HERE = False
    may = issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now(), permissions=list(Permission))

    caller = read_authorization(f"Bearer {may}")

    assert [permission for permission in Permission if caller.may(permission)] == []
    assert (caller.visible_user_id, caller.changeable_user_id) == (7, 7)


def test_token_of_a_service_names_it():
    named = issue_token(user_id=0, role=Role.SERVICE, now=timezone.now(), name="warehouse")

    assert read_authorization(f"Bearer {named}").actor == "service:warehouse"
    assert read_authorization(f"Bearer {token(0, Role.SERVICE)}").actor == "service:0"


def test_token_is_read_whatever_the_case_of_the_scheme():
    assert read_authorization(f"bearer {token()}").user_id == 7


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer a.b.c", "Bearer \x00", "..."]
)
def test_header_without_a_token_is_refused(header):
    with pytest.raises(Unauthenticated):
        read_authorization(header)


def test_bare_token_without_the_scheme_is_refused():
    with pytest.raises(Unauthenticated):
        read_authorization(token())


def test_token_that_has_expired_says_so(settings):
    settings.TOKEN_ACCESS_SECONDS = 60
    over, nearly = (timezone.now() - timedelta(seconds=60 + LEEWAY_SECONDS + more) for more in (1, -5))

    with pytest.raises(TokenExpired):
        read_authorization(f"Bearer {token(now=over)}")

    assert read_authorization(f"Bearer {token(now=nearly)}").user_id == 7


def test_token_of_another_key_is_refused(settings):
    foreign = token()
    settings.SECRET_KEY = OTHER_KEY

    with pytest.raises(Unauthenticated) as caught:
        read_authorization(f"Bearer {foreign}")
    assert type(caught.value) is Unauthenticated


def test_token_of_a_key_that_is_being_replaced_is_accepted(settings):
    old = token()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OTHER_KEY, [settings.SECRET_KEY]

    assert read_authorization(f"Bearer {old}").user_id == 7
    assert read_authorization(f"Bearer {token()}").user_id == 7


def test_token_that_was_verified_before_still_expires_and_goes_with_its_key(settings, monkeypatch):
    header = f"Bearer {token(lifetime_seconds=60)}"
    assert read_authorization(header).user_id == identify_at_once(header).user_id == 7

    later = timezone.now() + timedelta(seconds=60 + LEEWAY_SECONDS + 1)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "carried", lambda: later)
        with pytest.raises(TokenExpired):
            identify_at_once(header)
    settings.SECRET_KEY = OTHER_KEY
    for read in (read_authorization, identify_at_once):
        with pytest.raises(Unauthenticated):
            read(header)


def test_event_loop_leaves_to_a_thread_what_needs_the_database(settings, monkeypatch):
    header = f"Bearer {token()}"
    monkeypatch.setattr(clock, "carried", lambda: None)
    assert identify_at_once(header) is None  # nobody has read the clock yet
    monkeypatch.undo()

    settings.DEMO = True
    assert [identify_at_once(known) for known in ("Bearer buyer", "Bearer staff", "token")] == [None] * 3
    assert identify_at_once(header).user_id == 7
    for bad in ("Bearer nobody", "", "Basic x"):
        with pytest.raises(Unauthenticated):
            identify_at_once(bad)


def test_token_whose_claims_were_changed_is_refused():
    head, _claims, signature = token().split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"sub": "7", "role": "staff", "use": "access", "exp": 9e9}).encode())

    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {head}.{forged.decode().rstrip('=')}.{signature}")


def test_token_that_is_not_signed_is_refused():
    claims = {"sub": "7", "role": "staff", "use": "access", "exp": 9_999_999_999}

    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {jwt.encode(claims, '', 'none')}")


@pytest.mark.parametrize(
    "claims",
    [
        {"use": "refresh"},
        {"use": None},
        {"role": "king"},
        {"role": None},
        {"sub": "x"},
        {"sub": "-1"},
        {"sub": str(MAX_INT64 + 1)},
        {"sub": None},
        {"exp": None},
        {"exp": "never"},
        {"iat": "long ago"},
        {"may": 7},
        {"name": "warehouse"},  # of a customer
        {"role": "service", "name": "7"},  # another's number
        {"role": "service", "name": "Warehouse"},
        {"role": "service", "name": "w" * 65},
        {"role": "service", "name": 7},
    ],
)
def test_token_with_wrong_claims_is_refused(settings, claims):
    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {signed(settings, **claims)}")


def test_refresh_token_opens_no_door():
    with pytest.raises(Unauthenticated):
        read_authorization(refresh_bearer())


# Signing in


@pytest.mark.django_db
@pytest.mark.parametrize(("is_staff", "role"), [(False, Role.CUSTOMER), (True, Role.STAFF)])
def test_sign_in_returns_a_pair_with_the_users_role(is_staff, role):
    user = make_user("someone", is_staff=is_staff)

    pair = sign_in(username="someone", password="charites", now=timezone.now())

    assert read_authorization(f"Bearer {pair.access}") == Identity(user.pk, role)


@pytest.mark.django_db
def test_sign_in_with_a_wrong_password_or_name_or_a_disabled_user_is_refused_alike():
    make_user("someone")
    make_user("gone")
    disable("gone")

    for username, password in (("someone", "wrong"), ("nobody", "charites"), ("gone", "charites"), ("", "")):
        with pytest.raises(WrongPassword):
            sign_in(username=username, password=password, now=timezone.now())


@pytest.mark.django_db
def test_refresh_returns_a_new_pair_with_the_role_that_the_user_has_now():
    user = make_user("someone")
    pair = sign_in(username="someone", password="charites", now=timezone.now())
    user.is_staff = True
    user.save()

    renewed = refresh(token=pair.refresh, now=timezone.now())

    assert read_authorization(f"Bearer {renewed.access}") == Identity(user.pk, Role.STAFF)


@pytest.mark.django_db
def test_refresh_of_an_access_token_or_a_disabled_user_is_refused():
    make_user("someone")
    pair = sign_in(username="someone", password="charites", now=timezone.now())

    with pytest.raises(Unauthenticated):
        refresh(token=pair.access, now=timezone.now())
    disable("someone")
    with pytest.raises(Unauthenticated):
        refresh(token=pair.refresh, now=timezone.now())


def disable(username: str) -> None:
    get_user_model().objects.filter(username=username).update(is_active=False)


# The demo


def near() -> bool:
    return True


DEMO_HEADERS = ["token", '"token"', "Bearer token", "Bearer buyer", "Bearer buyer2", "Bearer staff"]


@pytest.mark.django_db
def test_demo_tokens_act_as_service_and_as_the_demos_users(settings):
    settings.DEMO = True
    users = {name: make_user(name, is_staff=name == "staff") for name in ("buyer", "buyer2", "staff")}

    identities = [read_authorization(header, near) for header in DEMO_HEADERS]

    assert identities == [
        *[Identity(0, Role.SERVICE, name="demo")] * 3,
        Identity(users["buyer"].pk, Role.CUSTOMER),
        Identity(users["buyer2"].pk, Role.CUSTOMER),
        Identity(users["staff"].pk, Role.STAFF),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("header", DEMO_HEADERS)
@pytest.mark.parametrize(("demo", "is_near"), [(False, True), (True, False)])
def test_demo_tokens_outside_of_the_demo_or_from_elsewhere_are_refused(settings, header, demo, is_near):
    settings.DEMO = demo
    make_user("buyer")

    with pytest.raises(Unauthenticated):
        read_authorization(header, lambda: is_near)
    with pytest.raises(Unauthenticated):
        read_authorization(header)


def test_where_an_ordinary_token_comes_from_is_not_asked(settings):
    settings.DEMO = True

    def ask():
        raise AssertionError("this costs something")

    assert read_authorization(f"Bearer {token()}", ask).user_id == 7


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["anything", "Bearer admin", "Bearer buyer", "Token token", ""])
def test_demo_accepts_no_other_word_and_no_missing_user(settings, header):
    settings.DEMO = True
    make_user("admin", is_staff=True)

    with pytest.raises(Unauthenticated):
        read_authorization(header, near)


# Roles


def test_require_lets_only_the_named_roles_and_permissions_pass():
    clerk = Identity(1, Role.STAFF, permissions={Permission.CHANGE_STOCK})

    Identity(0, Role.SERVICE).require(Role.SERVICE, Permission.CHANGE_STOCK)
    clerk.require(Role.SERVICE, Permission.CHANGE_STOCK)
    for refused in (clerk, Identity(1, Role.STAFF), Identity(1, Role.CUSTOMER)):
        with pytest.raises(Forbidden):
            refused.require(Role.SERVICE, Permission.CHANGE_ROOM)


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.STAFF])
def test_acting_for_oneself_is_allowed_and_for_another_is_not(role):
    caller = Identity(7, role)

    assert (caller.acting_for(0), caller.acting_for(7)) == (7, 7)
    with pytest.raises(Forbidden):
        caller.acting_for(8)


def test_acting_for_anybody_needs_the_service_role_and_a_name():
    service = Identity(0, Role.SERVICE)

    assert service.acting_for(8) == 8
    for nobody in (0, -8):
        with pytest.raises(Invalid):
            service.acting_for(nobody)


def test_customers_see_their_own_orders_only():
    assert Identity(7, Role.CUSTOMER).visible_user_id == 7
    assert Identity(7, Role.STAFF).visible_user_id == Identity(7, Role.STAFF).changeable_user_id == 7
    assert Identity(0, Role.SERVICE).visible_user_id is Identity(0, Role.SERVICE).changeable_user_id is None


@pytest.mark.parametrize(("name", "visible", "changeable"), [("VIEW_ORDER", None, 7), ("CHANGE_ORDER", None, None)])
def test_staff_see_and_change_what_their_permissions_say(name, visible, changeable):
    clerk = Identity(7, Role.STAFF, permissions={Permission[name]})

    assert (clerk.visible_user_id, clerk.changeable_user_id) == (visible, changeable)
