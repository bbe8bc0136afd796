"""Another service, "warehouse", that messages of the topic "topic" go to, and its side of the broker in memory."""

from collections.abc import Mapping, Sequence

from google.rpc.status_pb2 import Status

from charites.common.errors import ServiceError
from charites.common.rpc import as_status
from lab.kit.memory_broker import MemoryBroker, MemoryQueues
from messaging.broker.port import ANSWER, Envelope
from messaging.broker.receiving import Receiver
from messaging.broker.sending import Sender
from messaging.broker.signing import sign
from messaging.models import Message
from messaging.registry import Question


class Refusal(ServiceError):
    """What the warehouse says no with."""

    code = 69999999


class Warehouse:
    name, caller = "warehouse", "orders"

    def call(self, question: Question) -> None:
        raise AssertionError("over a broker nobody calls")

    def refusal(self, number: int, details: Mapping[str, str]) -> ServiceError | None:
        return Refusal(**details) if number == Refusal.code else None


def ask(messages: Sequence[Message]) -> dict[int, Question]:
    """A message without a payload has nothing to ask; one whose payload is wrong cannot be read."""
    questions = {}
    for message in messages:
        if "what" in message.payload:
            questions[message.pk] = Question("Warehouse.Send", message.payload["what"].encode())
    return questions


class Between:
    """The orders service and the warehouse with a broker between them."""

    def __init__(self) -> None:
        self.queues = MemoryQueues()
        self.queues.make("warehouse", "orders")
        self.sender = Sender(MemoryBroker(self.queues))
        self.receiver = Receiver(MemoryBroker(self.queues))

    def asked(self) -> list[Envelope]:
        """What lies in the warehouse's queue."""
        return [envelope for envelope in self.queues.envelopes("warehouse") if envelope]

    def answer(
        self, asked: Envelope, error: ServiceError | None = None, *, name: str = "warehouse", about: str | None = None
    ) -> None:
        """The warehouse's answer, unless another name is given, to what it was asked."""
        body = (as_status(error) if error else Status()).SerializeToString()
        envelope = Envelope(ANSWER, about or asked.about, asked.reply_to, body)
        self.queues.put("orders", sign(envelope, name=name))
