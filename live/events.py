"""What viewers of a room are told: its state, and the changes between two states, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html. An event is a hint: whoever missed some gets the state.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from charites.common.times import as_utc
from live.shelf import Item, Sale, Shelf

Data = Mapping[str, Any]
Event = tuple[str, Data]

STATE = "room"  # the name of the event that holds all of it


@dataclass(frozen=True, slots=True)
class State:
    """What all viewers of a room see. `goods` in the host's order, by goods_id as a text; `turns_in`: seconds until a
    sale starts or ends; `version` is the same wherever and whenever the state is the same."""

    room: Data
    goods: Mapping[str, Data]
    goods_ids: frozenset[int]
    turns_in: float | None
    version: str

    def as_data(self) -> Data:
        return {**self.room, "goods": list(self.goods.values())}


def state_of(shelf: Shelf, now: datetime) -> State:
    pinned = shelf.room.current_goods_id
    room = {
        "room_id": str(shelf.room.room_id),
        "title": shelf.room.title,
        "status": shelf.room.status,
        "pinned": pinned and str(pinned),
    }
    goods = {str(item.goods.goods_id): goods_of(item) for item in shelf.items}
    times = [time for item in shelf.items for time in (item.goods.sale_starts_at, item.goods.sale_ends_at)]
    turns_in = min(((time - now).total_seconds() for time in times if time and time > now), default=None)
    version = blake2b(compact([room, list(goods.values())]).encode(), digest_size=9).hexdigest()
    return State(room, goods, frozenset(map(int, goods)), turns_in, version)


def goods_of(item: Item) -> Data:
    goods = item.goods
    return {
        "goods_id": str(goods.goods_id),
        "title": goods.title,
        "price": goods.price,
        "market_price": goods.market_price,
        "limit_per_buyer": goods.limit_per_buyer,
        "sale": item.sale,
        "sale_starts_at": goods.sale_starts_at and as_utc(goods.sale_starts_at),
        "sale_ends_at": goods.sale_ends_at and as_utc(goods.sale_ends_at),
        "available": item.available,
        "reserved": item.reserved,
        "sold": item.sold,
    }


PIECES = ("available", "reserved", "sold")
PRICES = ("price", "market_price")
OF_THE_SALE = ("sale", *PIECES, *PRICES)


def changes(before: State, after: State) -> Iterator[Event]:
    """What happened between two states of a room. All pieces come in one event."""
    if before.room["pinned"] != after.room["pinned"]:
        yield "pinned", {"goods_id": after.room["pinned"]}
    if bare(before) != bare(after):
        yield "shelf", {}
    both = [(before.goods[goods_id], goods) for goods_id, goods in after.goods.items() if goods_id in before.goods]
    moved = [stock_of(old, new) for old, new in both if any(old[name] != new[name] for name in PIECES)]
    if moved:
        yield "stock", {"goods": moved}
    for old, new in both:
        if any(old[name] != new[name] for name in PRICES):
            yield "price", {"goods_id": new["goods_id"], **{name: new[name] for name in PRICES}}
        if old["sale"] != new["sale"]:
            yield sale_event(old["sale"], new["sale"]), {"goods_id": new["goods_id"]}


def bare(state: State) -> Any:
    """What the other events do not tell: which goods there are, in which order, and what is said of them."""
    of_room = {name: value for name, value in state.room.items() if name != "pinned"}
    goods = [{name: value for name, value in one.items() if name not in OF_THE_SALE} for one in state.goods.values()]
    return of_room, goods


def stock_of(old: Data, new: Data) -> Data:
    """`ordered`: how many more pieces are in orders than before; below zero, orders have given some back."""
    ordered = new["reserved"] + new["sold"] - old["reserved"] - old["sold"]
    return {"goods_id": new["goods_id"], "ordered": ordered, **{name: new[name] for name in PIECES}}


def sale_event(old: Sale, new: Sale) -> str:
    if new is Sale.SOLD_OUT:
        return "sold_out"
    if new is Sale.OPEN:
        return "back" if old is Sale.SOLD_OUT else "sale_started"
    return "sale_ended" if new is Sale.OVER else "sale_planned"


def told(events: Iterator[Event], version: str) -> bytes:
    """Events as they go to viewers. The last one carries the version of the state that they lead to."""
    parts = [f"event: {name}\ndata: {compact(data)}\n" for name, data in events]
    return ("\n".join(parts) + f"id: {version}\n\n").encode() if parts else b""


def told_all(state: State) -> bytes:
    """A whole state as it goes to a viewer."""
    return told(iter([(STATE, state.as_data())]), state.version)


def compact(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
