"""What other services answer ends the messages that asked.

An answer is believed when the service signed it that was asked, for whoever asked: what somebody else is told about a
question of his own ends nothing here. That a try has taken effect ends the message whichever try it was, and also one
that is dead by then. A refusal counts of the last try alone, and once: behind an older one another try is on its way,
and one that counted again would put the next try off.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from charites.common.auth import Identity
from charites.common.errors import ServiceError
from charites.common.logs import request_context
from charites.common.models import MAX_INT64
from charites.common.rpc import error_in
from messaging.broker.port import Envelope, Unreadable
from messaging.broker.sending import OPEN, Sending, as_sending, finish, row_of
from messaging.errors import DeliveryFailed
from messaging.models import Message
from messaging.registry import Service
from messaging.relay import give_back

log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """What the service of this name says of one try of a message: an empty status, or an error. `row`: as `row_of` has
    it."""

    message_id: int
    row: str
    lease: str
    service: str
    status: Status


def read_answer(envelope: Envelope, sender: Identity, *, queue: str) -> Answer:
    """`queue`: the service whose queue it lay in. Raises Unreadable."""
    if envelope.reply_to != queue:
        raise Unreadable(f"it is an answer to {envelope.reply_to[:64]!r}")
    row, _, lease = envelope.about.rpartition(".")
    number, _, made = row.partition(".")
    if not (number.isascii() and number.isdigit() and int(number) <= MAX_INT64 and made and lease):
        raise Unreadable("it is an answer, and says not to which message")
    try:
        return Answer(int(number), row, lease, sender.name, Status.FromString(envelope.body))
    except DecodeError as error:
        raise Unreadable("it is an answer, and holds no status") from error


def settle(answers: Sequence[Answer], *, now: datetime) -> None:
    """Ends the messages that have their answer: done, or, refused, what their topic makes of it."""
    found = {message.pk: message for message in list_open(answers)}
    done = []
    for answer in answers:
        message = found.get(answer.message_id)
        sending = as_sending(message) if message and counts(answer, message) else None
        if sending is None or sending.remote.service.name != answer.service:
            log.info("answer_to_nobody", message_id=answer.message_id, service=answer.service)
        elif not answer.status.code or is_settled(sending, answer.status, now=now):
            done.append(sending.message)
    finish(done)


def list_open(answers: Sequence[Answer]) -> list[Message]:
    keys = [answer.message_id for answer in answers]
    return list(Message.objects.filter(OPEN, pk__in=keys)) if keys else []


def counts(answer: Answer, message: Message) -> bool:
    """Whether an answer is about this very row, and not about one that had its id before, and says something new."""
    if row_of(message) != answer.row:
        return False
    return not answer.status.code or (message.state == Message.State.READY and message.lease == answer.lease)


def is_settled(sending: Sending, status: Status, *, now: datetime) -> bool:
    """Whether the topic of a message has done with the refusal what is to be done; if not, its ladder goes on."""
    message, remote = sending.message, sending.remote
    with request_context(message.headers.get("request_id"), topic=message.topic, message_id=message.pk):
        try:
            remote.refused(message, refusal_of(remote.service, status))
        except Exception as raised:  # noqa: BLE001 (as in a delivery: it stands in the row)
            give_back(sending.registration, message, raised, now=now)
            return False
    return True


def refusal_of(service: Service, status: Status) -> ServiceError:
    """What the service refuses with, or else DeliveryFailed with what it said."""
    found = error_in(status)
    known = service.refusal(found.code, found.details) if found else None
    return known or DeliveryFailed(reason=f"{found.code}: {status.message}" if found else status.message)
