"""Money on its way back: sent once, tried until it is there, never forgotten."""

from datetime import timedelta
from threading import Barrier

import pytest
from django.utils import timezone

from lab.kit.factories import make_capture, make_goods, make_order, make_payment
from lab.kit.interleaving import Background, Parked
from lab.kit.providers import ELSEWHERE
from messaging.models import Message
from messaging.relay import deliver_due
from messaging.services import send_again
from orders.errors import PaymentsUnavailable
from orders.models import Refund
from orders.payments.schedule import REFUND_STEPS
from orders.services import reconcile, record_captures, send_forgotten_refunds, send_refunds

pytestmark = pytest.mark.django_db

TRADE = "T-wrong"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def refund(provider) -> Refund:
    """A pending refund of 5 cents, and its message; created at the clock of this machine."""
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    assert record_captures(captures=[make_capture(payment, trade_id=TRADE, amount=5)]) == [None]
    return Refund.objects.get()


def reread(refund: Refund) -> Refund:
    return Refund.objects.get(pk=refund.pk)


def sent(provider) -> int:
    return len([call for call, _ in provider.calls if call == "refund"])


def send(refund: Refund, now) -> dict[int, Exception]:
    return send_refunds(refund_ids=[refund.payment_id], now=now)


# One try


def test_refund_that_is_sent_is_done(provider, refund):
    now = timezone.now()

    assert send(refund, now) == {}
    assert send(refund, now + MINUTE) == {}

    assert provider.refunded == {TRADE: 5}
    done = reread(refund)
    assert (done.status, done.done_at, done.attempts) == (Refund.Status.DONE, now, 1)
    assert (done.next_try_at, done.leased_until, done.last_error) == (None, None, "")


def test_refund_without_an_answer_says_why_and_when_it_is_tried_again(provider, refund):
    provider.script["refund"] = ConnectionRefusedError("refused")
    now = timezone.now()

    errors = send(refund, now)

    assert [type(error) for error in errors.values()] == [PaymentsUnavailable]
    pending = reread(refund)
    assert (pending.status, pending.attempts, pending.leased_until) == (Refund.Status.PENDING, 1, None)
    assert pending.last_error == "ConnectionRefusedError('refused')"
    assert pending.next_try_at == now + REFUND_STEPS[0]


def test_refund_is_not_sent_to_another_provider(provider, refund, settings):
    settings.PAYMENT_PROVIDER = ELSEWHERE

    assert list(send(refund, timezone.now())) == [refund.payment_id]

    assert "elsewhere" in reread(refund).last_error


# Once


def test_refund_that_somebody_is_sending_is_left_to_him(provider, refund):
    """A second sweep comes while the provider has not answered the first one."""
    now = timezone.now()
    others = []

    def send_meanwhile(payment_id):
        others.append(send(refund, now + timedelta(seconds=59)))
        others.append(send_forgotten_refunds(now=now + timedelta(seconds=59)))

    provider.script["refund"] = send_meanwhile

    assert send(refund, now) == {}

    assert list(others[0]) == [refund.payment_id]
    assert others[1] == 0
    assert (sent(provider), provider.refunded) == (1, {TRADE: 5})
    assert reread(refund).attempts == 1


def test_refund_whose_sender_died_is_sent_by_the_next_one(provider, refund):
    """The process was killed after the provider's answer: what it does the second time is harmless by its contract."""
    now = timezone.now()
    Refund.objects.update(attempts=1, leased_until=now + MINUTE, next_try_at=now + REFUND_STEPS[0])

    assert list(send(refund, now + timedelta(seconds=59))) == [refund.payment_id]
    assert send(refund, now + timedelta(seconds=61)) == {}

    assert reread(refund).status == Refund.Status.DONE


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_sweeps_that_have_read_one_refund_send_it_once(provider, refund):
    now = timezone.now()

    with Parked(lambda: send(refund, now), at="^UPDATE shopping_refund") as late:
        assert send(refund, now) == {}
        assert list(late.go()) == [refund.payment_id]

    assert (sent(provider), provider.refunded) == (1, {TRADE: 5})


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_sweep_that_comes_late_finds_the_refund_taken_while_the_provider_is_asked(provider, refund):
    now = timezone.now()
    found = []

    def let_the_late_one_go(payment_id):
        provider.script.clear()
        found.append(late.go())

    with Parked(lambda: send(refund, now), at="^UPDATE shopping_refund") as late:
        provider.script["refund"] = let_the_late_one_go
        assert send(refund, now) == {}

    assert [list(errors) for errors in found] == [[refund.payment_id]]
    assert (sent(provider), provider.refunded) == (1, {TRADE: 5})
    assert reread(refund).attempts == 1


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_sender_whose_lease_ran_out_leaves_the_next_one_his(provider, refund):
    """The first one fails at last, while the second one waits for the provider."""
    now = timezone.now()
    leases = []

    def let_the_first_one_fail(payment_id):
        assert list(first.go()) == [payment_id]
        leases.append(reread(refund).leased_until)

    provider.script["refund"] = ConnectionError("slow")
    with Parked(lambda: send(refund, now), at="SET leased_until = NULL") as first:
        provider.script["refund"] = let_the_first_one_fail
        assert send(refund, now + timedelta(seconds=61)) == {}

    assert leases == [now + timedelta(seconds=121)]
    assert provider.refunded == {TRADE: 5}


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_refund_that_twenty_senders_want_to_send_at_once_is_sent_once(provider, refund):
    now, barrier = timezone.now(), Barrier(20)

    def race():
        barrier.wait(120)
        return send(refund, now)

    senders = [Background(race) for _ in range(20)]
    for sender in senders:
        sender.__enter__()
    results = [sender.result() for sender in senders]

    # Late ones find it done and have nothing to send; the others were told that somebody is at it.
    assert results.count({}) >= 1
    assert (sent(provider), provider.refunded) == (1, {TRADE: 5})


# Never forgotten


def test_refund_whose_message_is_there_is_left_to_it(provider, refund):
    due = refund.created_at

    assert send_forgotten_refunds(now=due + timedelta(seconds=59)) == 0
    assert send_forgotten_refunds(now=due + timedelta(seconds=61)) == 1

    assert provider.refunded == {TRADE: 5}


def test_refund_whose_message_is_gone_is_sent_by_the_sweep(provider, refund):
    Message.objects.all().delete()

    assert reconcile(now=refund.created_at + 2 * MINUTE) == 1

    assert reread(refund).status == Refund.Status.DONE


@pytest.mark.django_db(transaction=True)
def test_refund_whose_message_is_dead_is_tried_until_it_is_there(provider, refund):
    provider.script["refund"] = ConnectionError("away")
    now = refund.created_at + timedelta(seconds=1)
    while (message := Message.objects.get()).state == Message.State.READY:
        now = max(now, message.deliver_at)
        assert deliver_due(now=now) == 1
        Message.objects.update(deliver_at=now)  # the ladder goes by this machine's clock
    assert message.state == Message.State.DEAD
    assert (reread(refund).attempts, reread(refund).status) == (17, Refund.Status.PENDING)

    for _ in range(3):
        now = reread(refund).next_try_at + MINUTE
        assert send_forgotten_refunds(now=now) == 0
        assert send_forgotten_refunds(now=now + timedelta(seconds=1)) == 1
    provider.script.clear()
    assert send_forgotten_refunds(now=reread(refund).next_try_at + 2 * MINUTE) == 1

    assert (reread(refund).attempts, reread(refund).status) == (21, Refund.Status.DONE)
    assert provider.refunded == {TRADE: 5}
    send_again(message_ids=[message.pk], now=timezone.now())
    deliver_due(now=timezone.now())
    message.refresh_from_db()
    assert (message.state, provider.refunded) == (Message.State.DONE, {TRADE: 5})
