"""What is raced: the options of `stock_race`, and who buys what."""

import random
import secrets
from dataclasses import dataclass
from typing import NamedTuple

MOST_GOODS_PER_ORDER = 2


class Basket(NamedTuple):
    """What one buyer asks for, in one attempt. `quantities`: goods_id -> pieces. `order_id`: in a race with a limit the
    number of the attempt only, since the shop numbers its orders itself."""

    order_id: int
    quantities: dict[int, int]
    buyer: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One race. `stock`: pieces of each product; `address`: a running server instead of processes of our own;
    `limit_per_buyer`: pieces of each product that one buyer may have, 0: any number."""

    stock: int = 100
    buyers: int = 400
    processes: int = 4
    threads: int = 16
    quantity: int = 1
    goods: int = 1
    via: str = "service"
    seed: int = 1
    address: str = ""
    token: str = ""
    limit_per_buyer: int = 0

    @property
    def attempts(self) -> int:
        """How often each buyer tries: with a limit, twice more than it lets succeed."""
        return self.limit_per_buyer // self.quantity + 2 if self.limit_per_buyer else 1

    @property
    def at_once(self) -> int:
        """How many attempts are under way at the same time."""
        return min(self.buyers * self.attempts, self.processes * self.threads)


def fresh_numbers(count: int) -> list[int]:
    """Returns ids that follow each other and that no shop has: Snowflake gets there in the year 2091. Locks in a Redis
    that is shared go by goods_id, and orders in a running shop by order_id."""
    first = (0x7F << 56) + secrets.randbits(48)
    return list(range(first, first + count))


def baskets(plan: Plan, *, goods_ids: list[int]) -> list[Basket]:
    """Returns what each buyer asks for, the attempts of one buyer in a row: they are dealt to different threads. With
    several goods an order holds two of them, drawn and ordered by the seed, so that orders cross each other."""
    drawn = random.Random(plan.seed)
    a_basket = min(len(goods_ids), MOST_GOODS_PER_ORDER)
    return [
        Basket(order_id, dict.fromkeys(drawn.sample(goods_ids, a_basket), plan.quantity), 1 + number // plan.attempts)
        for number, order_id in enumerate(fresh_numbers(plan.buyers * plan.attempts))
    ]


def deal(wanted: list[Basket], plan: Plan) -> list[list[list[Basket]]]:
    """Deals the buyers out: process -> thread -> buyers, one after the other."""
    hands = [wanted[n :: plan.processes * plan.threads] for n in range(plan.processes * plan.threads)]
    return [hands[n * plan.threads : (n + 1) * plan.threads] for n in range(plan.processes)]
