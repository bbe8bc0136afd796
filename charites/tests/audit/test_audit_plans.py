"""The audit of a large shop: what its statements read, as MariaDB's planner says, and how many statements there are.

How long a million records take is for lab/bench/audit_million.py to say.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from charites.audit import own_database, run_audit
from charites.audit.check import Check
from charites.audit.run import checks_of, parameters_for
from lab.kit.large_shop import TABLES, LargeShop, break_fifty, fill, fill_archives
from lab.kit.plans import WHOLE, Step, explain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.servers, pytest.mark.unguarded_stock_sql]

# Enough for the planner to want an index wherever one helps, and so few goods that the goods alone are no good one.
SHOP = LargeShop(orders=3_000, goods=20)
# Rows that a step may read for each row of another table: those of one order, or of one product among the stock.
FEW = 20
# Each line of a product is read once, for the products that have a limit.
BY_PRODUCT = {"I18-pieces-of-a-buyer"}
# What is rare is found by an index, however large the shop is. All other rules are about all rows.
FOUND_BY_INDEX = {
    *("I6-dead", "I6-overdue", "I7-half"),
    *("I9-paid-without-capture", "I10-adjustments"),
    *("I12-overdue-order", "I12-payment-not-asked-about", "I12-refund-not-tried", "I12-refund-without-message"),
}


@pytest.fixture
def cursor(transactional_db: None) -> Iterator[Any]:
    with connection.cursor() as cursor:
        yield cursor
        for table in TABLES:
            cursor.execute(f"TRUNCATE {table}")  # quicker than the tests' own clean-up


def plan(cursor: Any, check: Check) -> Sequence[Step]:
    parameters = parameters_for(connection, timezone.now())
    used = {name: value for name, value in parameters.items() if f"%({name})s" in check.sql}
    return explain(cursor, f"{check.sql} LIMIT 101", used or None)


def quadratic_steps(steps: Sequence[Step]) -> list[Step]:
    """The steps that read many rows of a table again for each row of another."""
    found, begun = [], set()
    for step in steps:
        is_repeated = step.select in begun or step.kind.startswith("DEPENDENT")
        is_guess = str(step.table).startswith("<")  # how many rows of a result have one key, the planner does not know
        is_long = step.access in WHOLE or (step.row_count > FEW and not is_guess)
        if (is_repeated and is_long) or "join buffer" in str(step.extra):
            found.append(step)
        begun.add(step.select)
    return found


def test_no_statement_reads_many_rows_for_each_row_of_another(cursor: Any) -> None:
    fill(cursor, SHOP)
    fill_archives(cursor)

    plans = {check.id: plan(cursor, check) for check in checks_of(own_database()) if check.id not in BY_PRODUCT}

    assert {id: found for id, steps in plans.items() if (found := quadratic_steps(steps))} == {}
    firsts = {id: {step.access for step in steps if step.kind in ("SIMPLE", "PRIMARY")} for id, steps in plans.items()}
    assert {id for id, accesses in firsts.items() if not accesses & WHOLE} == FOUND_BY_INDEX


def test_a_statement_that_reads_a_table_again_and_again_is_noticed(cursor: Any) -> None:
    fill(cursor, SHOP)
    without_index = "SELECT a.id FROM shopping_order_detail a JOIN shopping_order_detail b ON b.num = a.num + 1"
    dependent = "SELECT id FROM shopping_order o WHERE EXISTS (SELECT 1 FROM shopping_stock s WHERE s.num < o.user_id)"

    for sql in (without_index, dependent):
        assert len(quadratic_steps(plan(cursor, Check("slow", "slow", sql)))) == 1


def test_fifty_broken_records_among_many_are_named_and_no_more_statements_are_sent_than_for_few(cursor: Any) -> None:
    counts = []
    for shop in (LargeShop(orders=300, goods=20), SHOP):
        fill(cursor, shop)
        with CaptureQueriesContext(connection) as sent:
            assert [result.check.id for result in run_audit(now=timezone.now()) if result.total] == []
        counts.append(len(sent))
        broken = break_fifty(cursor, shop)
        with CaptureQueriesContext(connection) as sent:
            results = run_audit(now=timezone.now())
        counts.append(len(sent))

        assert {result.check.id: result.ids for result in results if result.total} == broken
        for table in TABLES:
            cursor.execute(f"TRUNCATE {table}")

    begin_and_end = 3
    assert counts == [len(checks_of(own_database())) + begin_and_end] * 4
