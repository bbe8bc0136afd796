"""Rounds of delivery and of checking, and what they left here and at the stock service."""

from itertools import count

from charites.common.ids import next_id
from lab.kit.factories import BUYER_ID, NOW, later, make_command
from lab.kit.processes.stock_service import StockService
from messaging.check_back import check_back
from messaging.models import Message
from messaging.relay import deliver_due
from orders import services
from orders.flows import half_message
from orders.models import Order

RESERVED, ROLLED_BACK, DEDUCTED = 1, 2, 3

TOPICS = (half_message.UNPLACED_TOPIC, half_message.CONFIRM_TOPIC, half_message.ROLL_BACK_TOPIC)


def states(topic: str = half_message.UNPLACED_TOPIC) -> list[str]:
    return list(Message.objects.filter(topic=topic).order_by("pk").values_list("state", flat=True))


def available(stock: StockService, goods_id: int = 1) -> int:
    return stock.counts(goods_id)[0]


days = count(2 * 10**3)


def deliver() -> int:
    """A round on a day of its own: whatever was put on its ladder is due again."""
    return deliver_due(now=later(86_400 * next(days)))


def check() -> int:
    return check_back(now=later(10**8))


def make_order_leave(order: Order) -> None:
    """Cancels an order and lets stock know, so that the next test finds nothing reserved."""
    services.cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)
    deliver()


def reserve_and_die() -> tuple[half_message.Move, int]:
    """Goes as far as the reservation, as a process that is killed then. Returns the move and its compensation."""
    command = make_command({1: 2})
    catalogue = services.placing.find_catalogue([command])
    move = services.placing.placing(command, next_id(), catalogue.goods, NOW)
    (message_id,) = half_message.prepare_many([half_message.compensation(move)])
    assert half_message.reserve([move]) == {move: half_message.OK}
    return move, message_id
