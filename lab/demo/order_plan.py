"""What buyers did: a plan of believable orders, drawn from a random number, without touching anything.

People come in the evening, when hosts are live; an evening has moments when many buy in the same second; what a room
shows first sells most; most buyers take one piece of one thing.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from random import Random

from orders.payloads import PlaceOrder

DAYS = 14
ORDERS_PER_MOMENT = 40
FIRST_BUYER_ID = 10_001  # far from the ids of users who can sign in
ORDERS_PER_BUYER = 3
DEMO_BUYER_SHARE = 0.02
EVENING = time(11, 0)  # UTC: seven in the evening in Shanghai
EVENING_MINUTES = 4 * 60
LINES = ((1, 2, 3, 4), (60, 25, 10, 5))  # how many lines an order has, and how often
PIECES = ((1, 2, 3), (84, 12, 4))


class Fate(Enum):
    """What becomes of an order; the value is how often, of a thousand."""

    COMPLETED = 540
    PAID = 240  # in the last days: not yet sent
    TIMED_OUT = 110
    CANCELLED = 52  # by the buyer
    UNPAID = 30  # placed just now
    CLOSED_BY_STAFF = 12
    PAID_TWICE = 6  # refunded once
    PAID_LATE = 7  # after its time-out: refunded
    PAID_WRONG = 3  # another amount: refunded

    @property
    def days(self) -> int:
        """How far back orders of this fate go."""
        return 2 if self is Fate.PAID else DAYS


@dataclass(frozen=True, slots=True)
class Planned:
    """One order, what becomes of it."""

    command: PlaceOrder
    fate: Fate


@dataclass(frozen=True, slots=True)
class Moment:
    """Orders that are placed in the same second; `at` is None for those of right now."""

    at: datetime | None
    orders: list[Planned]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A room and what it sells, the first shown first."""

    room_id: int
    goods_ids: list[int]


@dataclass(frozen=True, slots=True)
class Market:
    """Who may buy, and what."""

    shelves: Sequence[Shelf]
    addresses: Sequence[Mapping[str, str]]
    demo_buyer_ids: Sequence[int]


def make_plan(*, market: Market, number: int, now: datetime, random: Random) -> list[Moment]:
    """Returns `number` orders in order of time, all of them ended by `now`, and at the end those that are not.

    The same random number, market and day give the same plan. From nine orders on every fate occurs.
    """
    moments = make_moments(number, now, random)
    buyers = range(FIRST_BUYER_ID, FIRST_BUYER_ID + 1 + number // ORDERS_PER_BUYER)
    groups: dict[datetime, list[Planned]] = {}
    unpaid: list[Planned] = []
    for fate in draw_fates(number, random):
        planned = Planned(draw_command(market, buyers, random), fate)
        if fate is Fate.UNPAID:
            unpaid.append(planned)
        else:
            groups.setdefault(draw_moment(fate, moments, now, random), []).append(planned)
    last = [unpaid[start : start + ORDERS_PER_MOMENT] for start in range(0, len(unpaid), ORDERS_PER_MOMENT)]
    return [*(Moment(at, groups[at]) for at in sorted(groups)), *(Moment(None, orders) for orders in last)]


def make_moments(number: int, now: datetime, random: Random) -> list[datetime]:
    """The moments at which people bought, spread over the evenings of the days before `now`."""
    return sorted(draw_evening(now, random) for _ in range(max(DAYS, number // ORDERS_PER_MOMENT)))


def draw_evening(now: datetime, random: Random) -> datetime:
    """A second of an evening; most people come in the middle of it."""
    day = now.date() - timedelta(days=random.randint(1, DAYS))
    opening = datetime.combine(day, EVENING, tzinfo=now.tzinfo)
    return opening + timedelta(seconds=int(random.triangular(0, EVENING_MINUTES * 60)))


def draw_moment(fate: Fate, moments: Sequence[datetime], now: datetime, random: Random) -> datetime:
    """When an order of this fate was placed."""
    first = bisect_left(moments, now - timedelta(days=fate.days + 1))
    return moments[random.randrange(min(first, len(moments) - 1), len(moments))]


def draw_fates(number: int, random: Random) -> list[Fate]:
    """One of each fate as far as they go, the rest as often as they happen, in any order."""
    fates = [*Fate][:number]
    fates += random.choices([*Fate], [fate.value for fate in Fate], k=number - len(fates))
    random.shuffle(fates)
    return fates


def draw_command(market: Market, buyers: Sequence[int], random: Random) -> PlaceOrder:
    """What one buyer wants, and where to. A buyer always has the same address."""
    is_demo = bool(market.demo_buyer_ids) and random.random() < DEMO_BUYER_SHARE
    user_id = random.choice(market.demo_buyer_ids if is_demo else buyers)
    shelf = random.choice(market.shelves)
    address = market.addresses[user_id % len(market.addresses)]
    return PlaceOrder(
        user_id=user_id,
        quantities=draw_quantities(shelf, random),
        address=address["address"],
        name=address["name"],
        phone=address["phone"],
        room_id=shelf.room_id,
    )


def draw_quantities(shelf: Shelf, random: Random) -> dict[int, int]:
    """goods_id -> pieces. The n-th goods of a room sells 1/n as often as the first."""
    popularity = [1 / place for place in range(1, len(shelf.goods_ids) + 1)]
    lines = random.choices(*LINES)[0]
    chosen = random.choices(shelf.goods_ids, popularity, k=lines)
    return {goods_id: random.choices(*PIECES)[0] for goods_id in sorted(set(chosen))}


def pieces_needed(moments: Sequence[Moment]) -> Counter[int]:
    """goods_id -> pieces that must arrive so that no order of the plan is refused and stock ends where it began.

    What is kept is gone for good; what is given back is only lent, one moment at a time.
    """
    kept: Counter[int] = Counter()
    lent: Counter[int] = Counter()
    for moment in moments:
        returned: Counter[int] = Counter()
        for planned in moment.orders:
            (returned if is_returned(planned.fate) else kept).update(planned.command.quantities)
        lent |= returned  # the larger of the two, goods by goods
    return kept + lent


def is_returned(fate: Fate) -> bool:
    """Whether the stock of such an order is given back."""
    return fate in (Fate.TIMED_OUT, Fate.CANCELLED, Fate.CLOSED_BY_STAFF, Fate.PAID_LATE, Fate.PAID_WRONG)
