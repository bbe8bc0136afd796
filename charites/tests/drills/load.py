"""Sixteen buyers at both doors of a shop, and what they saw when something died."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Protocol

from lab.kit.history import Call, History, Told
from lab.kit.processes.customers import Customer, Door, RestDoor, RpcDoor
from lab.kit.processes.shop import wait_until
from lab.kit.trials import Trials

BUYERS = 16
GOODS = (1, 2)
HEAL_SECONDS = 120  # a bound for busy machines, no measurement
WELL = 20  # orders in a row, from the buyers together


class Doors(Protocol):
    """Where a shop is, or what stands in front of it."""

    @property
    def url(self) -> str: ...

    @property
    def grpc_address(self) -> str: ...


@contextmanager
def buyers_of(shop: Doors, trials: Trials, *, staff: str = "", rest_seconds: float = 0.0) -> Iterator[list[Customer]]:
    """Buyers, half of them over REST and half over gRPC; `staff`: see RestDoor."""

    def door_of(user_id: int) -> Door:
        return RestDoor(shop.url, user_id, staff) if user_id % 2 else RpcDoor(shop.grpc_address, user_id)

    with buyers_at(door_of, trials, rest_seconds=rest_seconds) as buyers:
        yield buyers


@contextmanager
def buyers_at(door_of: Callable[[int], Door], trials: Trials, *, rest_seconds: float = 0.0) -> Iterator[list[Customer]]:
    """Buyers with one history, each at a door of their own, by their user ids. Without a rest they take all of a small
    machine."""
    history = History()
    with ExitStack() as stack:
        buyers = []
        for user_id in range(101, 101 + BUYERS):
            door = door_of(user_id)
            stack.callback(door.close)
            lots = Random(trials.random.random())
            buyers.append(Customer(f"user{user_id}", user_id, door, history, lots, GOODS, rest_seconds))
        yield buyers


def placed_since(history: History, moment: float) -> list[Call]:
    """The orders that were placed by calls which began since then, by when they ended."""
    calls = [call for call in history.calls if call.started >= moment and call.operation == "place"]
    return sorted((call for call in calls if call.told is Told.NEW), key=lambda call: call.ended)


def await_orders(history: History, moment: float) -> float:
    """Waits until orders go through again that were begun since then; returns when the first of them did."""
    wait_until(lambda: len(placed_since(history, moment)) >= WELL, seconds=HEAL_SECONDS, what="orders go through again")
    return placed_since(history, moment)[0].ended


def await_yes(history: History, moment: float) -> None:
    """Waits until as many calls that began since then were answered yes; over gRPC an order is not told from its
    repetition."""

    def answered() -> int:
        return sum(call.started >= moment and call.told.is_yes for call in history.calls)

    wait_until(lambda: answered() >= WELL, seconds=HEAL_SECONDS, what="calls go through")


def turned_away(calls: Sequence[Call], since: float) -> list[Call]:
    """Calls that ended since then, and were told "busy" or nothing."""
    ended = [call for call in calls if since <= call.ended < float("inf")]
    return [call for call in ended if call.told in (Told.BUSY, Told.NOTHING)]


def what_they_saw(calls: Sequence[Call], *, died: float, healed: float, over: float | None = None) -> dict[str, str]:
    """Cells of a row: what was answered to calls that were under way in between. `over`: where all was well later than
    orders went through, when that was."""
    over = over or healed
    asked = [call for call in calls if call.started < over and call.ended >= died and call.ended < float("inf")]
    told = Counter(call.told for call in asked)
    failed = [call for call in asked if call.told in (Told.BUSY, Told.NOTHING)]
    return {
        "calls": str(len(asked)),
        "busy": str(told[Told.BUSY]),
        "not known": str(told[Told.NOTHING]),
        "last of these, s": f"{max((call.ended for call in failed), default=died) - died:.1f}",
        "orders again after s": f"{healed - died:.1f}",
        "longest call, s": f"{max((call.ended - call.started for call in asked), default=0):.1f}",
    }


def pause(trials: Trials) -> None:
    """Until a moment drawn by lot."""
    time.sleep(trials.random.uniform(0.5, 2))
