"""What another service asks over the broker: it takes effect here and is answered, or it is put aside."""

import pytest
from django.db import OperationalError, connection
from google.rpc.status_pb2 import Status
from prometheus_client import REGISTRY

from charites.common.errors import Invalid
from charites.common.rpc import error_in
from charites.common.threads import AT_ONCE
from charites.common.writable import ReadOnly
from lab.kit.factories import NOW, counts, make_goods
from lab.kit.interleaving import Interruption
from lab.kit.memory_broker import MemoryBroker, MemoryQueues
from lab.kit.stock_steps import reserve_stock
from lab.kit.wrappers import on_every_connection
from messaging.broker import receiving
from messaging.broker.port import Envelope
from messaging.broker.receiving import Receiver
from messaging.broker.signing import sender_of, sign
from stock.errors import ReservationOfAnother
from stock.models import StockRecord
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel

pytestmark = pytest.mark.django_db(transaction=True)

ORDER_ID = 7


@pytest.fixture
def queues(settings) -> MemoryQueues:
    settings.APPS = ["stock"]
    receiving.methods.cache_clear()
    queues = MemoryQueues()
    queues.make("stock", "orders")
    yield queues
    receiving.methods.cache_clear()


def question(method: str = "Stock.RollbackStock", request=None, *, reply_to: str = "orders") -> Envelope:
    request = request or OrderStockRequest(order_id=ORDER_ID)
    return Envelope(method, "42.lease", reply_to, request.SerializeToString(), headers={"request_id": "r-1"})


def receive(queues: MemoryQueues, *envelopes: Envelope | None) -> list[Envelope]:
    """Has these come, and returns what was answered."""
    for envelope in envelopes:
        queues.put("stock", envelope)
    receiver = Receiver(MemoryBroker(queues))
    taken = [receiver.round(now=NOW) for _ in range(0, len(envelopes), AT_ONCE)]
    assert sum(taken) == len(envelopes)
    assert queues.envelopes("stock") == []
    return queues.envelopes("orders")


def status_of(answer: Envelope) -> Status:
    return Status.FromString(answer.body)


def reserve(pieces: int = 2) -> None:
    make_goods(1, stock=5)
    reserve_stock(order_id=ORDER_ID, quantities={1: pieces})


def test_question_takes_effect_and_is_answered_signed_by_the_service_that_was_asked(queues):
    reserve()

    (answer,) = receive(queues, sign(question(), name="orders"))

    assert counts(1) == (5, 0, 0)
    assert StockRecord.objects.get().status == StockRecord.Status.ROLLED_BACK
    assert (answer.kind, answer.about, answer.reply_to, answer.body) == ("answer", "42.lease", "orders", b"")
    assert answer.headers == {"request_id": "r-1"}
    assert sender_of(answer).name == "stock"


def test_question_a_hundred_times_takes_effect_once_and_is_answered_each_time(queues):
    reserve()

    answers = receive(queues, *[sign(question("Stock.ConfirmStock"), name="orders")] * 100)

    assert counts(1) == (3, 0, 2)
    assert [answer.body for answer in answers] == [b""] * 100


def test_refusal_is_an_answer(queues):
    reserve()
    queues.make("goods")

    assert receive(queues, sign(question(reply_to="goods"), name="goods")) == []

    (answer,) = queues.envelopes("goods")
    found = error_in(status_of(answer))
    assert found.code == ReservationOfAnother.code
    assert counts(1) == (3, 2, 0)


def test_request_that_cannot_be_read_is_answered_with_what_is_wrong(queues):
    broken = Envelope("Stock.RollbackStock", "42.lease", "orders", b"\xff\xff")

    (answer,) = receive(queues, sign(broken, name="orders"))

    assert error_in(status_of(answer)).code == Invalid.code


def test_database_that_fails_under_a_question_is_answered_and_nothing_internal_is_told(queues):
    reserve()
    broken = Interruption(OperationalError(1114, "The table is full"), at="UPDATE shopping_stock", times=99)

    with on_every_connection(broken):
        (answer,) = receive(queues, sign(question(), name="orders"))

    assert status_of(answer).code
    assert b"table" not in answer.body
    assert counts(1) == (3, 2, 0)


def test_nothing_is_taken_while_the_database_is_away(queues):
    queues.put("stock", sign(question(), name="orders"))
    broken = Interruption(OperationalError(2006, "gone"), at="SELECT (0|@@global.read_only)", times=1)

    with connection.execute_wrapper(broken), pytest.raises(OperationalError):
        Receiver(MemoryBroker(queues)).round(now=NOW)

    assert len(queues.envelopes("stock")) == 1


def test_nothing_is_taken_while_the_database_takes_no_writes(queues):
    queues.put("stock", sign(question(), name="orders"))

    def read_only(execute, sql, params, many, context):
        return execute("SELECT 1", params, many, context)

    with connection.execute_wrapper(read_only), pytest.raises(ReadOnly):
        Receiver(MemoryBroker(queues)).round(now=NOW)

    assert len(queues.envelopes("stock")) == 1


def test_count_of_dead_letters_is_there_before_the_first_one(queues, settings):
    """Prometheus counts an increase from a value that it has seen."""
    settings.APPS = ["stock", "of-its-own"]
    Receiver(MemoryBroker(queues))

    assert REGISTRY.get_sample_value("charites_dead_letters_total", {"queue": "of-its-own"}) == 0.0


def test_answer_for_which_there_is_no_queue_is_given_up(queues, caplog):
    reserve()

    assert receive(queues, sign(question(reply_to="goods"), name="goods")) == []

    assert queues.dead == []
    assert [record.msg["event"] for record in caplog.records] == ["answer_not_published"]


def signed(method: str, request=None) -> Envelope:
    return sign(question(method, request), name="orders")


STRANGE = {
    "nothing at all": (lambda: None, "it is rubbish"),
    "not signed": (question, "no service of ours has signed it"),
    "no method": (lambda: signed("Stock.Burn"), "it asks for 'Stock.Burn', which is no method here"),
    "another service's": (lambda: signed("Order.PayOrder"), "it asks for 'Order.PayOrder', which is no method here"),
    "harm, done twice": (lambda: signed("Stock.SetStock", StockLevel(goods_id=1, num=9)), "it asks for 'Stock.SetS"),
    "asks for another": (lambda: sign(question(), name="goods"), "goods asks, and the answer would go to 'orders'"),
}


@pytest.mark.parametrize(("make", "reason"), STRANGE.values(), ids=STRANGE)
def test_what_is_strange_is_put_aside_with_the_reason_and_what_is_behind_it_is_answered(queues, caplog, make, reason):
    reserve()

    (answer,) = receive(queues, make(), sign(question(), name="orders"))

    ((queue, told),) = queues.dead
    assert (queue, told.startswith(reason)) == ("stock", True)
    assert answer.body == b""
    assert counts(1) == (5, 0, 0)
    assert [record.msg["event"] for record in caplog.records] == ["dead_letter"]
