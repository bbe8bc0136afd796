"""What is raced: the options of `stock_race`, and who buys what."""

import random
import secrets
from dataclasses import dataclass
from typing import NamedTuple

MOST_GOODS_PER_ORDER = 2


class Basket(NamedTuple):
    """What one buyer asks for, in one attempt. `quantities`: goods_id -> pieces."""

    order_id: int
    quantities: dict[int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """One race. `stock`: pieces of each product; `address`: a running server instead of processes of our own."""

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

    @property
    def at_once(self) -> int:
        """How many buyers are under way at the same time."""
        return min(self.buyers, self.processes * self.threads)


def fresh_numbers(count: int) -> list[int]:
    """Returns ids that follow each other and that no shop has: Snowflake gets there in the year 2091. Locks in a Redis
    that is shared go by goods_id, and orders in a running shop by order_id."""
    first = (0x7F << 56) + secrets.randbits(48)
    return list(range(first, first + count))


def baskets(plan: Plan, *, goods_ids: list[int]) -> list[Basket]:
    """Returns what each buyer asks for. With several goods an order holds two of them, drawn and ordered by the seed,
    so that orders cross each other."""
    drawn = random.Random(plan.seed)
    a_basket = min(len(goods_ids), MOST_GOODS_PER_ORDER)
    return [
        Basket(order_id, dict.fromkeys(drawn.sample(goods_ids, a_basket), plan.quantity))
        for order_id in fresh_numbers(plan.buyers)
    ]


def deal(wanted: list[Basket], plan: Plan) -> list[list[list[Basket]]]:
    """Deals the buyers out: process -> thread -> buyers, one after the other."""
    hands = [wanted[n :: plan.processes * plan.threads] for n in range(plan.processes * plan.threads)]
    return [hands[n * plan.threads : (n + 1) * plan.threads] for n in range(plan.processes)]
