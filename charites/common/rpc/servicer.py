"""What a servicer stands on: who calls, who may, ids and lines, and the one way into a method.

A method takes the request and a `Call`, returns the reply, and raises errors of the catalogue. The gateway calls the
same methods through the same `Method.answer`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import close_old_connections
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django_grpc_framework import services
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from charites.common.auth import Grant, Identity, Role, nobody, read_authorization
from charites.common.batches import Batches
from charites.common.callers import Item, Result, Unserved
from charites.common.errors import Invalid, OutcomeUnknown, ServiceError, Why, busy, one_key
from charites.common.logs import note_actor
from charites.common.models import MAX_INT64, MAX_LINES
from charites.common.replies import Key, Replies

IDEMPOTENCY_KEY = "idempotency-key"


class Call(NamedTuple):
    """Who calls a method, and what came beside the request. The keys of `metadata` are lower case."""

    identity: Identity
    metadata: Mapping[str, str]

    def idempotency_key(self, given: str = "") -> str | None:
        """Returns the key of the metadata or of the request's own field. Raises Invalid when the two differ."""
        return one_key(self.metadata.get(IDEMPOTENCY_KEY), given or None)


class DeadlinePassed(OutcomeUnknown):
    """The call waited for its turn longer than it had time; it was never begun."""

    code = 10000012
    text = _("The call's deadline passed before its turn came. Nothing was done.")


UNSERVED: Mapping[Unserved, Callable[[], ServiceError]] = {
    Unserved.FULL: partial(busy, Why.QUEUE),
    Unserved.LATE: DeadlinePassed,
    Unserved.UNKNOWN: OutcomeUnknown,
}


class Job(NamedTuple, Generic[Item, Result]):
    """What a queued method returns: an item for a queue, and the way from its result to the reply, or to an error."""

    queue: Batches[Item, Result]
    item: Item
    reply: Callable[[Result], Message]

    async def done(self, seconds: float) -> Message:
        """Waits without a thread. Raises what became of the item."""
        return self._answer(await self.queue.acall([self.item], seconds=seconds))

    def wait(self, seconds: float) -> Message:
        """Waits in this thread. Raises what became of the item."""
        return self._answer(self.queue.call([self.item], seconds=seconds))

    def _answer(self, outcomes: Sequence[Result | Unserved]) -> Message:
        (outcome,) = outcomes
        if isinstance(outcome, Unserved):
            raise UNSERVED[outcome]()
        return self.reply(outcome)


class Read(NamedTuple, Generic[Key]):
    """What a method returns whose reply may be remembered: the replies, and which of them."""

    replies: Replies[Key]
    key: Key

    def at_once(self) -> bytes | None:
        """The reply if it is remembered."""
        return self.replies.recall(self.key)

    def wait(self) -> bytes:
        """The reply, made in this thread unless somebody has just done so. Raises what there is to say instead."""
        return self.replies.make(self.key)


Handled: TypeAlias = Message | Job[Any, Any] | Read[Any]  # what a method may return


class Servicer(services.Service):
    """Base of an app's servicer. `descriptor` names its service; each method of it is one here, with that name:
    `def GetStock(self, request: StockLevel, call: Call) -> StockLevel`.
    """

    descriptor: ClassVar[ServiceDescriptor]


Behaviour = TypeVar("Behaviour", bound=Callable[..., Handled])


def allow(*grants: Grant) -> Callable[[Behaviour], Behaviour]:
    """Decorates a servicer's method that is for some roles, or permissions of staff. Without it, anybody may."""

    def mark(behaviour: Behaviour) -> Behaviour:
        behaviour.grants = grants  # type: ignore[attr-defined]
        return behaviour

    return mark


def in_loop(behaviour: Behaviour) -> Behaviour:
    """Decorates a servicer's method that returns a `Job` or a `Read`. It runs in the event loop, so it touches nothing
    that waits."""
    behaviour.is_in_loop = True  # type: ignore[attr-defined]
    return behaviour


def required_id(name: str, value: int) -> int:
    """Returns an id that has to be there. Raises Invalid for 0, which is how a missing one arrives, and below."""
    if not 0 < value <= MAX_INT64:
        raise Invalid(name, _("is missing or out of range"))
    return value


def merged(lines: Sequence[Any]) -> dict[int, int]:
    """Returns goods_id -> pieces of {GoodsId, Num} lines; lines of the same product are added up.

    Raises Invalid for more than 100 lines, a missing id, less than one piece.
    """
    if len(lines) > MAX_LINES:
        raise Invalid("items", _("has more than %(limit)s lines"), limit=MAX_LINES)
    quantities: dict[int, int] = {}
    for line in lines:
        goods_id = required_id("goods_id", line.goods_id)
        if line.num < 1:
            raise Invalid("quantity", _("must be 1 or more, and fit into an int64"))
        quantities[goods_id] = quantities.get(goods_id, 0) + line.num
    return quantities


@dataclass(frozen=True)
class Method:
    """One method of a servicer, and the way into it."""

    descriptor: MethodDescriptor
    behave: Callable[[Message, Call], Handled]
    grants: tuple[Grant, ...]
    is_in_loop: bool = False

    @cached_property
    def name(self) -> str:
        return f"{self.descriptor.containing_service.full_name}.{self.descriptor.name}"

    @cached_property
    def path(self) -> str:
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @cached_property
    def request_class(self) -> type[Message]:
        return GetMessageClass(self.descriptor.input_type)  # type: ignore[no-any-return]

    @cached_property
    def reply_class(self) -> type[Message]:
        return GetMessageClass(self.descriptor.output_type)  # type: ignore[no-any-return]

    def answer(
        self, metadata: Mapping[str, str], read: Callable[[], Message], is_near: Callable[[], bool] = nobody
    ) -> Message:
        """Checks token and rights, then reads the request and calls the servicer. `is_near`: whether the caller is on
        this machine. Raises what the servicer raises."""
        return self.answer_to(
            lambda: read_authorization(metadata.get("authorization", ""), is_near), metadata=metadata, read=read
        )

    def answer_to(
        self, identify: Callable[[], Identity], *, metadata: Mapping[str, str], read: Callable[[], Message]
    ) -> Message:
        """The same for a caller who is known otherwise than by a token in the metadata."""
        close_old_connections()
        try:
            reply = self.begin(identify(), metadata, read)
            if isinstance(reply, Job):
                return reply.wait(settings.GRPC_DEADLINE_SECONDS)
            return self.reply_class.FromString(reply.wait()) if isinstance(reply, Read) else reply
        finally:
            close_old_connections()

    def begin(self, identity: Identity, metadata: Mapping[str, str], read: Callable[[], Message]) -> Handled:
        """Checks the rights, reads the request and calls the servicer. Raises what it raises."""
        note_actor(identity.actor)
        identity.require(*self.grants)
        return self.behave(read(), Call(identity, metadata))


def methods_of(servicer: type[Servicer]) -> list[Method]:
    """Returns the methods of a servicer. Raises TypeError when one that the .proto file promises is not there."""
    instance = servicer.as_servicer()
    methods = []
    for descriptor in servicer.descriptor.methods:
        if not hasattr(servicer, descriptor.name):
            raise TypeError(f"{servicer.__name__} lacks {descriptor.name}.")
        declared = getattr(servicer, descriptor.name)
        is_in_loop = getattr(declared, "is_in_loop", False)
        # The framework closes old connections around a call, in whatever thread: the event loop's has none.
        behave = getattr(servicer() if is_in_loop else instance, descriptor.name)
        methods.append(Method(descriptor, behave, getattr(declared, "grants", tuple(Role)), is_in_loop))
    return methods


def installed_methods(names: Sequence[str] | None = None) -> list[Method]:
    """Returns the methods of these apps (default: APPS, all that this process serves) that have an
    `rpc/servicers.py`."""
    hosted = [apps.get_app_config(name) for name in names or settings.APPS]
    found = [config.name for config in hosted if (Path(config.path) / "rpc" / "servicers.py").exists()]
    return [method for app in found for method in methods_of(import_string(f"{app}.rpc.servicers.SERVICER"))]
