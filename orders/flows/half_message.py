"""Orders here, stock at another service: a half message stands by to undo every reservation.

Placing:

1. `prepare`: a compensation, "give the stock of this order back", stored as a half message.
2. `Stock.ReserveStock`, all lines or none.
3. One transaction: abort the compensation, insert the order.

What dies in between is repaired by the check-back: it finds the compensation still half and lets the roll back through.
Afterwards a transaction of step 3 that comes late finds its compensation decided, and gives up. Paying and closing
publish "confirm" or "roll back" in the transaction that changes the order. docs/distributed-transactions.md says what
else could be done, and why this.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from django.db import InterfaceError, OperationalError

from charites.common.errors import Busy, OutcomeUnknown
from charites.common.transactions import Undone, run
from messaging.models import Message
from messaging.registry import Answer, Question
from messaging.services import Draft, HalfMessageGone, abort, prepare_many, publish_many, submit
from orders import remote, selectors
from orders.errors import StockCallFailed
from orders.participant import OrderParticipant
from orders.payloads import Closing, Paying, Placing
from stock.errors import NotEnoughStock
from stock.moves import OK, REPEATED, Move, MoveUnit, Outcome, Rules, Status, failed, run_moves

log = structlog.get_logger(__name__)

UNPLACED_TOPIC = "order_unplaced"
CONFIRM_TOPIC = "stock_confirm"
ROLL_BACK_TOPIC = "stock_roll_back"
NO_ANSWER = Outcome(Status.BUSY, StockCallFailed)

PARTICIPANT = OrderParticipant()


class OrdersOnly(MoveUnit):
    """The transaction of a batch of orders; the stock is elsewhere."""

    def undone(self, move: Move, how: Undone, error: Exception) -> Outcome:
        if isinstance(error, HalfMessageGone):  # the check-back was faster, as it may be
            return Outcome(Status.FAILED, HalfMessageGone)
        return super().undone(move, how, error)

    def work(self, moves: Sequence[Move], attempt: int) -> dict[Move, Outcome]:
        allowed, outcomes = apply_rules(moves, self.participant.rules(moves))
        if outcomes:
            outcomes |= self.participant.settle(list(outcomes))
        written = set(self.participant.write(allowed))
        return outcomes | {move: OK if move in written else REPEATED for move in allowed}


def apply_rules(moves: Sequence[Move], rules: Rules) -> tuple[list[Move], dict[Move, Outcome]]:
    """Which moves may be, in order of arrival, and why the others may not."""
    allowed, refused = [], {}
    for move in moves:
        if limited := rules.refusal(move):
            refused[move] = limited
        else:
            rules.grant(move)
            allowed.append(move)
    return allowed, refused


def write_orders(moves: Sequence[Move], participant: OrderParticipant) -> dict[Move, Outcome]:
    """Places, pays or closes the orders of moves, and whatever else the participant writes with them."""
    return dict(zip(moves, run_moves(moves, OrdersOnly("orders", participant)), strict=True))


@dataclass(frozen=True)
class NotifyingParticipant(OrderParticipant):
    """Writes orders and, in the same transaction, what the stock service is to be told.

    `compensations`: order_id -> the half message that undoes its reservation. Lock order: what a buyer's limit
    goes by, message, order.
    """

    compensations: Mapping[int, int] = field(default_factory=dict)

    def write(self, moves: Sequence[Move]) -> list[Move]:
        if self.compensations:
            abort([self.compensations[move.order_id] for move in moves])
        written = super().write(moves)
        publish_many(
            [*notifications(written, Paying, CONFIRM_TOPIC), *notifications(written, Closing, ROLL_BACK_TOPIC)]
        )
        return written


NOTIFYING_PARTICIPANT = NotifyingParticipant()


def notifications(moves: Sequence[Move], kind: type, topic: str) -> list[Draft]:
    """What stock is told of orders that were paid or closed."""
    order_ids = [str(move.order_id) for move in moves if isinstance(move.payload, kind)]
    return [Draft(topic, order_id, {"order_id": order_id}) for order_id in order_ids]


def carry_out(moves: Sequence[Move]) -> list[Outcome]:
    """Places, pays or closes orders; one outcome per move, in order. Stock follows within a second or so."""
    placings = [move for move in moves if isinstance(move.payload, Placing)]
    others = [move for move in moves if not isinstance(move.payload, Placing)]
    outcomes = place(placings) | pay_and_close(others)
    return [outcomes[move] for move in moves]


def pay_and_close(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Changes orders and publishes what stock is to be told, in one transaction per batch."""
    return write_orders(moves, NOTIFYING_PARTICIPANT)


def place(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Places orders whose stock is reserved elsewhere, each with a half message that would undo it."""
    try:
        settled = PARTICIPANT.settle(moves)
        todo = [move for move in moves if move not in settled]
        if not todo:
            return settled
        compensations = dict(
            zip((move.order_id for move in todo), prepare_many(list(map(compensation, todo))), strict=True)
        )
    except (OperationalError, InterfaceError, Busy, OutcomeUnknown) as error:
        # A compensation that is stored gives back what nobody took.
        log.warning("orders_database_away", error=repr(error))
        return dict.fromkeys(moves, NO_ANSWER)
    answers = reserve(todo)
    reserved = [move for move in todo if answers[move] is OK]
    outcomes = answers | write_orders(reserved, NotifyingParticipant(compensations))
    end_compensations(compensations, answers, outcomes)
    return settled | {move: without_compensation(outcome) for move, outcome in outcomes.items()}


def compensation(move: Move) -> Draft:
    """The half message that gives an order's stock back."""
    goods_ids = [str(line.goods_id) for line in move.lines]
    return Draft(UNPLACED_TOPIC, str(move.order_id), {"order_id": str(move.order_id), "goods_ids": goods_ids})


def reserve(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Reserves the stock of orders at the stock service. OK, the refusal, or NO_ANSWER."""
    wanted = {move.order_id: {line.goods_id: line.reserved for line in move.lines} for move in moves}
    answers = remote.reserve_stock(wanted)
    return {move: as_outcome(move, answers[move.order_id]) for move in moves}


def as_outcome(move: Move, error: Exception | None) -> Outcome:
    match error:
        case None:
            return OK
        case remote.Unanswered():
            log.warning("stock_unanswered", order_id=move.order_id, error=str(error))
            return NO_ANSWER
        case NotEnoughStock():
            return Outcome(Status.NOT_ENOUGH, NotEnoughStock, error.details)
    return failed(error)


def end_compensations(
    compensations: Mapping[int, int], answers: Mapping[Move, Outcome], outcomes: Mapping[Move, Outcome]
) -> None:
    """Decides over the compensations of orders that were not placed: withdrawn where stock refused, for then there is
    nothing to give back; let through where something was, or may have been, reserved. An unknown commit is left to the
    check-back."""
    refused = [m for m, answer in answers.items() if answer is not OK and answer is not NO_ANSWER]
    unplaced = [m for m in answers if m not in refused and outcomes[m].status not in (Status.OK, Status.UNKNOWN)]
    try:
        withdraw([compensations[move.order_id] for move in refused])
        submit([compensations[move.order_id] for move in unplaced])
    except (Busy, OutcomeUnknown) as error:
        log.warning("compensations_left_to_check_back", error=repr(error.__cause__))


def withdraw(message_ids: Collection[int]) -> None:
    """Aborts half messages; one that the check-back was faster with does no harm."""
    if not message_ids:
        return
    try:
        run(lambda: abort(message_ids), name="withdraw")
    except HalfMessageGone as error:
        log.warning("compensation_decided_already", error=str(error))


def without_compensation(outcome: Outcome) -> Outcome:
    """An order whose compensation was decided meanwhile took too long: it was not placed, and may be tried again."""
    return NO_ANSWER if outcome.error is HalfMessageGone else outcome


# What the stock service is asked


def ask_unplaced(messages: Sequence[Message]) -> dict[int, Question]:
    """Topic `order_unplaced`: to give back what was reserved for an order that never came."""
    placed = placed_among(messages)
    for message in messages:
        if message.pk in placed:
            log.error("compensation_of_a_placed_order", order_id=message.key)  # its number belongs to another order
    return {message.pk: giving_back(message) for message in messages if message.pk not in placed}


def giving_back(message: Message) -> Question:
    goods_ids = [int(goods_id) for goods_id in message.payload["goods_ids"]]
    return remote.rolling_back(order_id=order_of(message), goods_ids=goods_ids)


def check_unplaced(messages: Sequence[Message]) -> dict[int, Answer]:
    """Topic `order_unplaced`: whether the order came after all. Runs under the locks of the half messages."""
    placed = placed_among(messages)
    return {message.pk: Answer.ABORT if message.pk in placed else Answer.SUBMIT for message in messages}


def placed_among(messages: Sequence[Message]) -> set[int]:
    """The ids of those messages whose order is there."""
    numbers = {message.pk: order_of(message) for message in messages}
    placed = {order.order_id for order in selectors.list_by_numbers(order_ids=list(numbers.values()))}
    return {message_id for message_id, order_id in numbers.items() if order_id in placed}


def ask_paid(messages: Sequence[Message]) -> dict[int, Question]:
    """Topic `stock_confirm`: to sell what a paid order reserved."""
    return {message.pk: remote.confirming(order_id=order_of(message)) for message in messages}


def ask_closed(messages: Sequence[Message]) -> dict[int, Question]:
    """Topic `stock_roll_back`: to make available again what a closed order reserved."""
    return {message.pk: remote.rolling_back(order_id=order_of(message)) for message in messages}


def order_of(message: Message) -> int:
    return int(message.payload["order_id"])
