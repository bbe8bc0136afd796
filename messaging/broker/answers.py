"""What other services answer ends the messages that asked.

An answer is believed when the service signed it that was asked, and it names the lease of the message's last try. One
that comes late, after another try, changes nothing: that try has an answer of its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from charites.common.auth import Identity
from charites.common.logs import request_context
from charites.common.rpc import error_in
from messaging.broker.port import Envelope, Unreadable
from messaging.broker.sending import Sending, as_sending, finish
from messaging.models import Message
from messaging.relay import give_back

log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """What the service of this name says of one try of a message: an empty status, or an error."""

    message_id: int
    lease: str
    service: str
    status: Status


def read_answer(envelope: Envelope, sender: Identity) -> Answer:
    """Raises Unreadable."""
    number, _, lease = envelope.about.partition(".")
    if not (number.isascii() and number.isdigit() and lease):
        raise Unreadable("it is an answer, and says not to which message")
    try:
        return Answer(int(number), lease, sender.name, Status.FromString(envelope.body))
    except DecodeError as error:
        raise Unreadable("it is an answer, and holds no status") from error


def settle(answers: Sequence[Answer], *, now: datetime) -> None:
    """Ends the messages that have their answer: done, or, refused, what their topic makes of it."""
    waiting = {message.pk: message for message in list_waiting(answers)}
    done = []
    for answer in answers:
        message = waiting.get(answer.message_id)
        sending = as_sending(message) if message and message.lease == answer.lease else None
        if sending is None or sending.remote.service.name != answer.service:
            log.info("answer_to_nobody", message_id=answer.message_id, service=answer.service)
        elif not answer.status.code or is_settled(sending, answer.status, now=now):
            done.append(sending.message)
    finish(done)


def list_waiting(answers: Sequence[Answer]) -> list[Message]:
    keys = [answer.message_id for answer in answers]
    return list(Message.objects.filter(pk__in=keys, state=Message.State.READY)) if keys else []


def is_settled(sending: Sending, status: Status, *, now: datetime) -> bool:
    """Whether the topic of a message has done with the refusal what is to be done; if not, its ladder goes on."""
    message, remote, found = sending.message, sending.remote, error_in(status)
    with request_context(message.headers.get("request_id"), topic=message.topic, message_id=message.pk):
        try:
            error = remote.service.refusal(found.code if found else 0, dict(found.details) if found else {})
            remote.refused(message, error)
        except Exception as raised:  # noqa: BLE001 (as in a delivery: it stands in the row)
            give_back(sending.registration, message, raised, now=now)
            return False
    return True
