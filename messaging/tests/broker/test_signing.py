"""Whose word counts over a broker: signed by a service of ours, for this envelope, and for nothing else."""

from dataclasses import replace

import pytest
from django.utils import timezone

from charites.common import clock
from charites.common.auth import Role, issue_token, read_authorization, service_header, tokens
from charites.common.errors import Unauthenticated
from messaging.broker.port import Envelope, Unreadable
from messaging.broker.signing import digest, sender_of, sign

UNSIGNED = Envelope("Stock.RollbackStock", "42.lease", "orders", b"request")
NOBODY = "no service of ours has signed it"


def reason(envelope: Envelope) -> str:
    with pytest.raises(Unreadable) as unreadable:
        sender_of(envelope)
    return str(unreadable.value)


def test_signature_names_its_service():
    sender = sender_of(sign(UNSIGNED, name="orders"))

    assert (sender.role, sender.name, sender.user_id) == (Role.SERVICE, "orders", 0)


@pytest.mark.parametrize(
    "changed",
    [{"kind": "Stock.ConfirmStock"}, {"about": "43.lease"}, {"reply_to": "goods"}, {"body": b"another"}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_changed_on_the_way_is_nobodys_word(changed):
    assert reason(replace(sign(UNSIGNED, name="orders"), **changed)) == NOBODY


def test_what_stands_in_the_logs_alone_is_not_signed():
    assert sender_of(replace(sign(UNSIGNED, name="orders"), headers={"request_id": "r"})).name == "orders"


@pytest.mark.parametrize("signature", ["", "rubbish", "a.b.c", "é.b.c", "\ud800.b.c"])
def test_rubbish_is_nobodys_word(signature):
    assert reason(replace(UNSIGNED, signature=signature)) == NOBODY


def test_token_for_calls_signs_nothing_and_a_signature_opens_no_door():
    header = service_header("orders")
    assert reason(replace(UNSIGNED, signature=header.removeprefix("Bearer "))) == NOBODY

    with pytest.raises(Unauthenticated):
        read_authorization(f"Bearer {sign(UNSIGNED, name='orders').signature}")


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.STAFF])
def test_nobody_but_a_service_signs(role):
    signature = tokens.encode(
        user_id=7, role=role, purpose=tokens.CONTENT, now=timezone.now(), seconds=60, digest=digest(UNSIGNED)
    )
    assert reason(replace(UNSIGNED, signature=signature)) == NOBODY


def test_token_of_a_user_with_the_right_digest_is_no_signature():
    token = issue_token(user_id=7, role=Role.STAFF, now=timezone.now())

    assert reason(replace(UNSIGNED, signature=token)) == NOBODY


def test_signature_under_another_key_is_nobodys_word(settings):
    signed = sign(UNSIGNED, name="orders")

    settings.SECRET_KEY = "another-key-which-is-long-enough-to-pass-every-check-0123456789"

    assert reason(signed) == NOBODY


def test_signature_outlives_every_ladder_and_ends(monkeypatch):
    from messaging.registry import RETRY_LADDER  # noqa: PLC0415

    signed, now = sign(UNSIGNED, name="orders"), clock.now().timestamp()

    assert sum(step.total_seconds() for step in RETRY_LADDER) < tokens.CONTENT_SECONDS
    monkeypatch.setattr(tokens.verify, "__defaults__", (lambda: at(now + tokens.CONTENT_SECONDS + 60),))
    assert reason(signed) == "its signature has expired"


def at(seconds: float):
    return timezone.datetime.fromtimestamp(seconds, tz=timezone.get_default_timezone())
