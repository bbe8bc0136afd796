"""Placing orders: validate, take price and description from goods, reserve the stock, all as sets."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import Error, IntegrityError, InterfaceError, OperationalError

from charites.common.errors import Kind, ServiceError, as_service_error
from charites.common.ids import next_ids
from charites.common.logs import Origin, current_origin
from charites.common.models import MAX_INT64
from goods.models import Goods
from messaging.wakeups import wake_up_at
from orders import flows, selectors
from orders.catalogue import Catalogue, read_catalogue
from orders.events import ORDER_PLACED
from orders.models import Order, OrderDetail
from orders.payloads import NewLine, NewOrder, PlaceOrder, Placing
from orders.rows import find_keys
from orders.selectors import OrderWithLines
from orders.services.checking import check_command
from orders.services.outcomes import ORDERS, error_of, foreseen
from stock.moves import Move, Outcome, Status, reserve

log = structlog.get_logger(__name__)

TIMEOUT_TASK = "shopping_order_pay_timeout"
SNAPSHOT = ("goods_id", "title", "market_price", "price", "brief", "head_imgs", "videos", "detail")
NUMBER_TRIES = 3  # a number that exists already, after every other precaution: take another one


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one command: a new order, the one stored under the same key before, or the error."""

    new: Placing | None = None
    stored: OrderWithLines | None = None
    error: Exception | None = None

    @property
    def created(self) -> bool:
        return self.new is not None

    @property
    def order(self) -> OrderWithLines | None:
        return as_stored(self.new) if self.new else self.stored


def place_order(*, command: PlaceOrder, now: datetime) -> Placed:
    """Places one order; see `place_orders`. Raises its error."""
    placed = place_orders(commands=[command], now=now)[0]
    if placed.error:
        raise placed.error
    return placed


def place_orders(*, commands: Sequence[PlaceOrder], now: datetime, origins: Sequence[Origin] = ()) -> list[Placed]:
    """Places orders and reserves their stock, in one transaction per batch. One result per command, in order.

    Price and description come from goods. A command whose key was used for the same request before gets that order
    as it is now. Errors: Invalid, GoodsNotFound, GoodsOffSale, RoomNotFound, StockNotFound, NotEnoughStock,
    KeyReused, OrderArchived, StockBusy, OutcomeUnknown, OrderFailed, Busy (the database is away, or no number is to be
    had); in the split form GoodsCallFailed and StockCallFailed. Call it outside any transaction.

    `origins`: where each command comes from, for the log; when left out, all from here.
    """
    try:
        catalogue = find_catalogue(commands)
    except Exception as error:  # noqa: BLE001 (whatever it is, nothing was done)
        results = refused_all(range(len(commands)), error)
    else:
        refused = refuse_invalid(commands, catalogue, now)
        refused |= find_stored({index: commands[index] for index in refused if is_of_now(refused[index].error)})
        valid = {index: command for index, command in enumerate(commands) if index not in refused}
        results = refused | place_valid(valid, catalogue.goods, now)
    count(results.values())
    tell(results, origins or [current_origin()] * len(commands))
    for expires_at in {result.new.order.expires_at for result in results.values() if result.new}:
        wake_up_at(TIMEOUT_TASK, expires_at)
    return [results[index] for index in range(len(commands))]


def refused_all(indexes: Iterable[int], error: Exception) -> dict[int, Placed]:
    """The results of commands whose turn never came, by index; a database that is away is busy."""
    if isinstance(error, OperationalError | InterfaceError | ServiceError):
        log.warning("placing_impossible", error=repr(error), cause=repr(error.__cause__))
        error = as_service_error(error)
    told = foreseen(error)
    return {index: Placed(error=copy(told)) for index in indexes}  # one each: what is raised keeps who raised it


def is_of_now(error: Exception | None) -> bool:
    """Whether a refusal comes from how things are by now: a stored key answers its order all the same."""
    return isinstance(error, ServiceError) and error.kind in (Kind.CONFLICT, Kind.NOT_FOUND)


def find_stored(commands: Mapping[int, PlaceOrder]) -> dict[int, Placed]:
    """The results of those of the commands whose keys are used, by index: that order as it is now, OrderArchived, or
    KeyReused. All keys are looked up at once."""
    keyed = {index: command for index, command in commands.items() if command.idempotency_key is not None}
    if not keyed:
        return {}
    try:
        used = find_keys(keyed.values())
    except Error as error:
        return refused_all(keyed, error)
    results, repeated = {}, {}
    for index, command in keyed.items():
        name = (command.user_id, command.idempotency_key)
        if not (key := used.get(name)):
            continue
        if refusal := key.refusal(command.idempotency_key, command.digest()):
            error_class, details = refusal
            results[index] = Placed(error=error_class(**details))
        else:
            repeated[index] = name
    return results | read_repeated(repeated)


def refuse_invalid(commands: Sequence[PlaceOrder], catalogue: Catalogue, now: datetime) -> dict[int, Placed]:
    """The results of the commands with which something is wrong, by index."""
    refused = {}
    for index, command in enumerate(commands):
        try:
            check_command(command, catalogue, now)
        except Exception as error:  # noqa: BLE001 (nothing was done, and it is no business of the others)
            refused[index] = Placed(error=foreseen(error))
    return refused


def place_valid(commands: Mapping[int, PlaceOrder], goods: Mapping[int, Goods], now: datetime) -> dict[int, Placed]:
    """Moves the stock of commands with which nothing is wrong, and returns a result for each.

    What was placed stays placed: when no further numbers are to be had, only the commands that wait for one get that
    error.
    """
    results: dict[int, Placed] = {}
    waiting = list(commands)
    outcomes: dict[int, Outcome] = {}
    for _try in range(NUMBER_TRIES):
        if not waiting:
            break
        try:
            numbers = next_ids(len(waiting))
        except (ServiceError, Error) as error:
            return results | refused_all(waiting, error)
        moves = {
            index: placing(commands[index], number, goods, now) for index, number in zip(waiting, numbers, strict=True)
        }
        outcomes = dict(zip(moves, flows.carry_out(list(moves.values())), strict=True))
        waiting = [index for index in waiting if number_was_taken(outcomes[index])]
        results |= as_placed({index: (moves[index], outcomes[index]) for index in moves if index not in waiting})
    return results | {index: Placed(error=error_of(outcomes[index])) for index in waiting}


def find_catalogue(commands: Sequence[PlaceOrder]) -> Catalogue:
    """Reads all goods and rooms of the commands at once. Raises GoodsCallFailed."""
    goods_ids = {goods_id for command in commands for goods_id in command.quantities if 0 < goods_id <= MAX_INT64}
    room_ids = {command.room_id for command in commands if command.room_id and 0 < command.room_id <= MAX_INT64}
    return read_catalogue(goods_ids=goods_ids, room_ids=room_ids)


def placing(command: PlaceOrder, number: int, goods: Mapping[int, Goods], now: datetime) -> Move:
    """The move that places one order: its stock, and the columns of its rows."""
    lines = tuple(NewLine(goods[goods_id], pieces) for goods_id, pieces in sorted(command.quantities.items()))
    order = NewOrder(
        order_id=number,
        user_id=command.user_id,
        room_id=command.room_id,
        pay_amount=sum(line.pay_amount for line in lines),
        created_at=now,
        expires_at=now + timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS),
        receive_address=command.address,
        receive_name=command.name,
        receive_phone=command.phone,
        idempotency_key=command.idempotency_key,
        request_digest=command.digest() if command.idempotency_key else "",
    )
    key = (command.user_id, command.idempotency_key) if command.idempotency_key else number
    return reserve(number, command.quantities, key=key, payload=Placing(order, lines))


def number_was_taken(outcome: Outcome) -> bool:
    """The last line of defence of order numbers is their unique key."""
    return outcome.status is Status.FAILED and outcome.error is IntegrityError


def as_placed(answered: Mapping[int, tuple[Move, Outcome]]) -> dict[int, Placed]:
    """Turns outcomes into results; orders that were stored before are read, in one go, as they are now."""
    repeated = {index: move.key for index, (move, outcome) in answered.items() if outcome.status is Status.REPEATED}
    results = {index: new_or_refused(*answer) for index, answer in answered.items() if index not in repeated}
    return results | read_repeated(repeated)


def new_or_refused(move: Move, outcome: Outcome) -> Placed:
    """The result of a command that nobody had sent before."""
    if outcome.status is not Status.OK:
        return Placed(error=error_of(outcome))
    return Placed(new=move.payload)


def as_stored(placing: Placing) -> OrderWithLines:
    """A new order as it was inserted."""
    lines = [
        OrderDetail(
            order_id=placing.order.order_id,
            user_id=placing.order.user_id,
            created_at=placing.order.created_at,
            updated_at=placing.order.created_at,
            **{name: getattr(line.goods, name) for name in SNAPSHOT},
            num=line.num,
            pay_amount=line.pay_amount,
        )
        for line in placing.lines
    ]
    return OrderWithLines(Order(**placing.order._asdict(), updated_at=placing.order.created_at), lines)


def read_repeated(keys: Mapping[int, Hashable]) -> dict[int, Placed]:
    """The results of commands whose order was stored before, by index: that order as it is now."""
    try:
        stored = selectors.list_by_keys(keys=[key for key in keys.values() if isinstance(key, tuple)])
    except Error as error:
        return refused_all(keys, error)
    return {
        index: Placed(stored=stored[key]) if isinstance(key, tuple) and key in stored else Placed(error=foreseen(None))
        for index, key in keys.items()
    }


def count(results: Iterable[Placed]) -> None:
    """Counts orders by what became of them."""
    outcomes = Counter(outcome_of(result) for result in results)
    for outcome, number in outcomes.items():
        ORDERS.labels(outcome).inc(number)


def tell(results: Mapping[int, Placed], origins: Sequence[Origin]) -> None:
    """Writes a line for each new order."""
    new = {index: result.new for index, result in results.items() if result.new}
    ORDER_PLACED.tell_all(map(placed_fields, new.values()), [origins[index] for index in new])


def placed_fields(placing: Placing) -> tuple[object, ...]:
    """A new order as the log tells of it."""
    order = placing.order
    room_id = None if order.room_id is None else str(order.room_id)
    pieces = sum(line.num for line in placing.lines)
    return str(order.order_id), str(order.user_id), room_id, pieces, order.pay_amount, settings.CURRENCY


def outcome_of(result: Placed) -> str:
    return type(result.error).__name__ if result.error else "placed" if result.created else "repeated"
