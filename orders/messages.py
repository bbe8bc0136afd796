"""What orders sends and receives: one function a topic."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.conf import settings

from charites.common import clock
from charites.common.errors import ServiceError
from messaging.errors import DeliveryFailed
from messaging.models import Message
from messaging.registry import RETRY_LADDER, Handler, Question, Remote, register
from orders import services
from orders.payments import calls, sandbox
from orders.refunds import REFUND_TOPIC, REQUESTED_TOPIC, RETURN_TOPIC
from stock.errors import RecordConflict

# Another service of ours is back sooner than somebody else's.
NOTIFICATION_LADDER = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=5), *RETRY_LADDER)


def send_refunds(messages: Sequence[Message]) -> None:
    """Topic `payment_refund`: sends money back that did not pay an order. Raises DeliveryFailed."""
    send([int(message.payload["payment_id"]) for message in messages])  # which such a refund is known by


def send_requested_refunds(messages: Sequence[Message]) -> None:
    """Topic `order_refund`: sends money back that a person asked for. Raises DeliveryFailed."""
    send([int(message.payload["refund_id"]) for message in messages])


def send(refund_ids: Sequence[int]) -> None:
    for error in services.send_refunds(refund_ids=refund_ids, now=clock.now()).values():
        raise DeliveryFailed(reason=calls.reason_of(error)) from error


def return_stock(messages: Sequence[Message]) -> None:
    """Topic `stock_returned`: pieces that came back with a refund are available again. Raises what stock raises."""
    services.return_pieces(refund_ids=[int(message.payload["refund_id"]) for message in messages])


def ask_returned(messages: Sequence[Message]) -> dict[int, Question]:
    """The same, where stock is another service."""
    from orders import remote  # noqa: PLC0415 (only the split form loads it)

    refunds = {message.pk: int(message.payload["refund_id"]) for message in messages}
    adjustments = services.list_returning(refund_ids=list(refunds.values()))
    return {key: remote.adjusting(adjustments[refund]) for key, refund in refunds.items() if refund in adjustments}


def refuse_paid(message: Message, error: ServiceError) -> None:
    """Topic `stock_confirm`: what stock refuses for good cannot be sold: the order is closed, and its money goes back.

    Raises DeliveryFailed when the order was completed meanwhile: whoever handed it over has to say what becomes of it;
    and the error where stock may still do it.
    """
    if not isinstance(error, RecordConflict):
        raise error
    if not services.close_unsellable(order_id=int(message.payload["order_id"])):
        raise DeliveryFailed(reason=str(error)) from error


def receiver_of_returns() -> Handler:
    """Who takes `stock_returned`: stock here, or the stock service."""
    if "stock" in settings.APPS:
        return return_stock
    from orders import remote  # noqa: PLC0415 (only the split form loads it)

    return Remote(remote.STOCK, ask_returned)


def register_topics() -> None:
    """Called once when Django starts."""
    if "stock" not in settings.APPS:
        register_notifications()
    register(sandbox.NOTIFY_TOPIC, sandbox.send_notice, ladder=sandbox.notify_ladder())
    register(REFUND_TOPIC, send_refunds)
    register(REQUESTED_TOPIC, send_requested_refunds)
    register(RETURN_TOPIC, receiver_of_returns())


def register_notifications() -> None:
    """The topics of the split form: what the stock service is told."""
    from orders import remote  # noqa: PLC0415 (only the split form loads it)
    from orders.flows import half_message as split  # noqa: PLC0415

    stock = partial(Remote, remote.STOCK)
    ladder = NOTIFICATION_LADDER
    register(split.UNPLACED_TOPIC, stock(split.ask_unplaced), check=split.check_unplaced, ladder=ladder)
    register(split.CONFIRM_TOPIC, stock(split.ask_paid, refuse_paid), ladder=ladder)
    register(split.ROLL_BACK_TOPIC, stock(split.ask_closed), ladder=ladder)
