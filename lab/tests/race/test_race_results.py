import re
from collections import Counter
from dataclasses import replace

import pytest

from lab.race.race_plan import Plan, baskets, deal
from lab.race.results import EXACT, OVER_LIMIT, OVERSOLD, STRANDED, Held
from lab.race.runner import expected_verdict
from lab.race.table import as_text
from lab.tests.race.race_results import GOODS_ID, race, result
from stock.strategies import STRATEGIES

EXACT_RACE = ["sold", "sold", "sold", "refused", "refused"]


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (EXACT_RACE, EXACT),
        (["sold"] * 4, OVERSOLD),
        (["sold", "refused"], STRANDED),
        (["sold", "busy"], EXACT),
        (["sold", "sold"], EXACT),
    ],
)
def test_verdict_follows_from_what_was_sold_and_who_was_refused(told, verdict):
    assert result(told=told).verdict == verdict


@pytest.mark.parametrize(
    ("told", "buyers", "verdict"),
    [
        (["sold", "sold", "limited"], [1, 1, 1], EXACT),
        (["sold", "sold", "sold"], [1, 1, 1], OVER_LIMIT),
        (["sold", "sold", "limited"], [1, 2, 2], STRANDED),
    ],
)
def test_verdict_with_a_limit_follows_from_what_buyers_have_and_who_was_refused(told, buyers, verdict):
    plan = Plan(stock=3, buyers=3, processes=1, threads=2, limit_per_buyer=2)
    had = Counter((buyer, GOODS_ID) for buyer, kind in zip(buyers, told, strict=True) if kind == "sold")

    found = replace(result(told=told, plan=plan), held=Held(dict(had), dict(enumerate(buyers)), []))

    assert found.verdict == verdict
    assert (found.fault is None) == (verdict == EXACT)
    assert found.as_json()["most_of_a_buyer"] == max(had.values())


def test_race_with_a_limit_fails_by_what_the_audit_finds():
    plan = Plan(stock=3, buyers=1, processes=1, threads=2, limit_per_buyer=2)

    found = replace(result(told=["sold"], plan=plan), held=Held({(1, GOODS_ID): 1}, {0: 1}, ["I18-pieces-of-a-buyer"]))

    assert found.fault == "atomic_update: the audit names I18-pieces-of-a-buyer."


def test_race_without_a_limit_says_nothing_of_one():
    found = result(told=EXACT_RACE)

    assert {"limit_per_buyer", "limited", "most_of_a_buyer"} & found.as_json().keys() == set()
    assert "limit" not in as_text(race(found), width=None)


def test_verdict_with_a_rest_too_small_for_an_order_is_exact():
    plan = Plan(stock=5, quantity=2)

    found = result(told=["sold", "sold", "refused"], plan=plan)

    assert (found.sold, found.verdict, found.fault) == (4, EXACT, None)


def test_sold_counts_receipts_and_not_the_column():
    found = result(told=["sold"] * 5, column_left=2, expected=OVERSOLD, safe=False)

    assert (found.sold, found.oversold, found.column_left, found.fault) == (5, 2, 2, None)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (result(told=["sold"] * 4), "atomic_update should have been exact and was oversold."),
        (result(told=["sold", "refused"]), "atomic_update should have been exact and was stranded."),
        (
            result("naive", told=EXACT_RACE, expected=OVERSOLD, safe=False),
            "naive should have been oversold and was exact.",
        ),
        (result(told=[*EXACT_RACE, "error"]), "atomic_update met 1 errors, such as ."),
        (
            result(told=EXACT_RACE, receipts=2, column_left=1),
            "atomic_update should have been exact and was stranded.",
        ),
        (
            result(told=["sold", "sold", "sold"], receipts=2, column_left=1),
            "atomic_update met 1 errors, such as answers that differ from the receipts.",
        ),
        (
            result(told=EXACT_RACE, column_left=1),
            "atomic_update: the column claims 1 left, and 0 are.",
        ),
        (result("transaction", told=EXACT_RACE, expected=None, safe=False), None),
    ],
)
def test_fault_says_why_a_result_fails_the_race(found, fault):
    assert found.fault == fault


@pytest.mark.parametrize(
    ("name", "database", "verdict"),
    [
        ("naive", "SQLite 3", OVERSOLD),
        ("naive", "MariaDB 10.11", OVERSOLD),
        ("transaction", "SQLite 3", None),
        ("transaction", "MariaDB 10.11", OVERSOLD),
        ("group_commit", "SQLite 3", EXACT),
    ],
)
def test_expected_verdict_depends_on_strategy_and_database(name, database, verdict):
    assert expected_verdict(STRATEGIES[name], database) == verdict


def test_times_are_those_of_the_answers():
    found = result(told=EXACT_RACE)

    assert [round(at, 6) for at, _pieces in found.acceptances()] == [0.001, 0.012, 0.023]
    assert round(found.orders_per_second, 3) == round(3 / 0.023, 3)
    assert [round(found.percentile(percent), 6) for percent in (50, 95, 99)] == [3, 5, 5]
    assert round(found.seconds, 6) == 0.045


def test_json_has_the_promised_shape():
    found = race(result(told=[*EXACT_RACE, "busy"])).as_json()

    assert list(found) == ["database", "durability", "concurrency", "strategies"]
    assert found["concurrency"] == {"processes": 1, "threads": 2}
    assert found["strategies"] == [
        {
            "strategy": "atomic_update",
            "stock": 3,
            "buyers": 6,
            "sold": 3,
            "oversold": 0,
            "column_left": 0,
            "refused": 2,
            "busy": 1,
            "retries": 5,
            "deadlocks": 2,
            "errors": 0,
            "orders_per_s": 130.4,
            "p50_ms": 3.0,
            "p95_ms": 6.0,
            "p99_ms": 6.0,
            "verdict": "exact",
        }
    ]


@pytest.mark.parametrize("width", [None, 300, 100, 80, 30])
def test_table_of_any_width_has_every_name_and_verdict_whole(width):
    found = race(*(result(name, told=EXACT_RACE) for name in STRATEGIES))

    text = as_text(found, width=width)

    lines = [line for line in text.splitlines() if "exact" in line]
    assert [name for name in STRATEGIES if not any(name in line for line in lines)] == []
    assert "…" not in text
    for title in ("sold", "oversold", "refused", "busy", "retries", "deadlocks", "concurrency", "orders/s", "p99"):
        assert title in text


def test_table_on_a_terminal_of_80_columns_fits():
    found = race(result("atomic_update", told=EXACT_RACE))

    text = re.sub(r"\x1b\[[0-9;]*m", "", as_text(found, width=80))
    assert max(len(line) for line in text.splitlines()) <= 80


def test_baskets_of_one_seed_are_the_same_and_cross_each_other():
    plan = Plan(buyers=50, goods=3, quantity=2, seed=4)

    first, second = (baskets(plan, goods_ids=[1, 2, 3]) for _ in range(2))

    assert [basket.quantities for basket in first] == [basket.quantities for basket in second]
    assert {tuple(basket.quantities) for basket in first} == {(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)}
    assert {pieces for basket in first for pieces in basket.quantities.values()} == {2}


def test_baskets_of_another_seed_differ():
    one, other = (baskets(Plan(goods=3, seed=seed), goods_ids=[1, 2, 3]) for seed in (1, 2))

    assert [basket.quantities for basket in one] != [basket.quantities for basket in other]


def test_deal_gives_every_buyer_to_one_thread():
    plan = Plan(buyers=11, processes=2, threads=3)
    wanted = baskets(plan, goods_ids=[1])

    dealt = deal(wanted, plan)

    assert [len(process) for process in dealt] == [3, 3]
    assert sorted(basket for process in dealt for thread in process for basket in thread) == wanted
    assert {len(thread) for process in dealt for thread in process} == {1, 2}
