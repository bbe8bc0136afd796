"""What the broker brings: questions of other services, which are answered, and answers to our own.

A question is a method of ours that bears a second call. It takes effect, its answer is on its way, and only then is it
acknowledged; so one whose consumer dies comes again. What failed is answered as well: the row of whoever asks tries
again, and nothing goes round in the broker. What is no envelope of a service of ours is put aside.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from google.rpc.status_pb2 import Status
from prometheus_client import Counter

from charites.common import tracing
from charites.common.auth import Identity
from charites.common.logs import REQUESTS, Access, request_context
from charites.common.rpc import Method, as_status, installed_methods, parse, status_code, told
from charites.common.threads import each_at_once
from charites.common.writable import ping_database
from messaging.broker import answers, chosen
from messaging.broker.port import ANSWER, Broker, Delivery, Envelope, NotPublished, Unreadable
from messaging.broker.signing import sender_of, sign
from messaging.events import DEAD_LETTER

log = structlog.get_logger(__name__)

WAIT_SECONDS = 3.0  # for the first; a sweep that ends waits for this

DEAD_LETTERS = Counter("charites_dead_letters", "Messages over the broker that were put aside.", ["queue"])


class Asked(NamedTuple):
    """A question that another service has signed, and the method that it asks."""

    delivery: Delivery
    envelope: Envelope
    sender: Identity
    method: Method


class Receiver:
    """Takes what comes for the services of this process; for one thread, which has others do the work."""

    def __init__(self, broker: Broker[Any] | None = None) -> None:
        self._broker: Broker[Any] = broker or chosen.connection()
        for queue in settings.APPS:
            DEAD_LETTERS.labels(queue)  # 0 stands there before the first one, which Prometheus would not see else

    def round(self, *, now: datetime) -> int:
        """Takes a few messages and is done with them; returns how many. Waits a little for the first. While the
        database is away, or takes no writes, nothing is taken; what was taken comes again after an error."""
        ping_database()
        try:
            taken = self._broker.take(settings.APPS, seconds=WAIT_SECONDS)
            self._work_off(taken, now)
        except BaseException:
            self._broker.close()
            raise
        return len(taken)

    def _work_off(self, taken: Sequence[Delivery], now: datetime) -> None:
        questions, found = [], []
        for delivery in taken:
            try:
                envelope = delivery.read()
                sender = sender_of(envelope)
                if envelope.kind == ANSWER:
                    found.append((delivery, answers.read_answer(envelope, sender, queue=delivery.queue)))
                else:
                    questions.append(Asked(delivery, envelope, sender, method_of(envelope, sender)))
            except Unreadable as error:
                self._put_aside(delivery, str(error))
        answers.settle([answer for _delivery, answer in found], now=now)
        for delivery, _answer in found:
            self._broker.acknowledge(delivery)
        if questions:
            self._answer(questions)

    def _answer(self, questions: Sequence[Asked]) -> None:
        statuses: dict[int, Status] = {}

        def work(numbered: tuple[int, Asked]) -> None:
            number, question = numbered
            statuses[number] = carry_out(question)

        each_at_once(work, list(enumerate(questions)))
        for number, question in enumerate(questions):
            self._reply(question, statuses[number])
            self._broker.acknowledge(question.delivery)

    def _reply(self, question: Asked, status: Status) -> None:
        """An answer that finds no queue is given up: whoever asks has it asked again."""
        asked, name = question.envelope, question.delivery.queue
        answer = Envelope(ANSWER, asked.about, asked.reply_to, status.SerializeToString(), headers=asked.headers)
        try:
            self._broker.publish(asked.reply_to, sign(answer, name=name))
        except NotPublished as error:
            log.warning("answer_not_published", service=asked.reply_to, about=asked.about, error=repr(error))

    def _put_aside(self, delivery: Delivery, reason: str) -> None:
        self._broker.dead_letter(delivery, reason)
        DEAD_LETTERS.labels(delivery.queue).inc()
        DEAD_LETTER.tell(delivery.queue, reason)


def method_of(envelope: Envelope, sender: Identity) -> Method:
    """Returns what a question asks for. Raises Unreadable where a second time would do harm, or where the answer, which
    the sender of a message believes, would go to another service than asks."""
    if envelope.reply_to != sender.name:
        raise Unreadable(f"{sender.name} asks, and the answer would go to {envelope.reply_to[:64]!r}")
    method = methods().get(envelope.kind)
    if method is None or not method.descriptor.GetOptions().idempotency_level:
        raise Unreadable(f"it asks for {envelope.kind[:64]!r}, which is no method here that bears a second call")
    return method


@cache
def methods() -> dict[str, Method]:
    return {method.name: method for method in installed_methods()}


def carry_out(question: Asked) -> Status:
    """Does what is asked, and returns an empty status, or what there is to say instead. Never raises."""
    envelope, method = question.envelope, question.method
    span = tracing.span(f"receive {method.name}", kind="CONSUMER", carrier=envelope.headers)
    with request_context(envelope.headers.get("request_id")), span:
        try:
            read = partial(parse, method.request_class, envelope.body)
            method.answer_to(lambda: question.sender, metadata={}, read=read)
            status, word = Status(), "OK"
        except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
            error = told(cause)
            status, word = as_status(error), status_code(error).name
        REQUESTS.labels("amqp", method.name, word).inc()
        Access.log.info("message", method=method.name, actor=question.sender.actor, status=word)
    return status
