"""Whether the shop's rows say what the buyers of a run were told."""

from collections.abc import Iterable, Iterator, Mapping

from django.db import connection

from charites.audit.check import Check
from charites.audit.run import run_check, snapshot
from charites.audit.stock import STOCK
from lab.crowd.answers import Answer
from lab.crowd.runs import Rows, Run, Told
from orders.selectors import OrderWithLines, list_by_keys
from stock.selectors import list_records

AT_ONCE = 100  # keys in one statement
OPEN = (Told.GOT_IT, Told.NO_ANSWER)


def compare_rows(run: Run, answers: Mapping[int, Answer]) -> Rows:
    """Finds the orders of a run by its key, and compares them with the answers (user id -> answer)."""
    stored = find_orders(run, answers)
    got = {user_id: answer.order_id for user_id, answer in answers.items() if answer.told is Told.GOT_IT}
    silent = {user_id for user_id, answer in answers.items() if answer.told is Told.NO_ANSWER}
    return Rows(
        orders=len(stored),
        pieces=count_pieces(run.goods_id, stored.values()),
        wanted_pieces=run.quantity * len(stored),
        missing=sum(stored.get(user_id) != order_id for user_id, order_id in got.items()),
        unexpected=len(stored.keys() - got.keys() - silent),
        late=len(stored.keys() & silent),
        broken=broken_rules(run.goods_id),
    )


def find_orders(run: Run, user_ids: Iterable[int]) -> dict[int, int]:
    """Returns user id -> order number of the run's orders."""
    found: dict[tuple[int, str], OrderWithLines] = {}
    keys = [(user_id, run.key) for user_id in user_ids]
    for start in range(0, len(keys), AT_ONCE):
        found |= list_by_keys(keys=keys[start : start + AT_ONCE])
    return {user_id: row.order.order_id for (user_id, _key), row in found.items()}


def count_pieces(goods_id: int, order_ids: Iterable[int]) -> int:
    """What stock has of a product under these orders, whatever became of them."""
    records = list_records(order_ids=list(order_ids))
    return sum(record.num for record in records if record.goods_id == goods_id)


def broken_rules(goods_id: int) -> list[str]:
    """The audit's rules about stock that a product breaks, all at one moment."""
    with snapshot(connection) as cursor:
        return [rule.id for rule in rules_of(goods_id) if run_check(cursor, rule, {}, "").total]


def rules_of(goods_id: int) -> Iterator[Check]:
    """The rules that name the product; the others are about the records of orders."""
    for rule in STOCK:
        if rule.id.startswith("I1-") or rule.id == "I2-stock":
            yield Check(
                rule.id, rule.meaning, f"SELECT goods_id FROM ({rule.sql}) AS found WHERE goods_id = {goods_id:d}"
            )
