"""Real processes with several threads each, racing for the last pieces on MariaDB under every safe strategy."""

import contextlib
import itertools
import time
from collections import Counter

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Sum

from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import TIMEOUT_SECONDS, Background, Parked, await_lock_wait, row_lock_waits
from lab.kit.participants import NoteParticipant, stored_notes
from lab.kit.racing import order, race
from lab.kit.stock_steps import confirm_stock, reserve_stock, roll_back_stock
from stock.models import Stock, StockRecord
from stock.moves import Status, reserve
from stock.services import move
from stock.strategies import STRATEGIES
from stock.tests.conftest import SAFE

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("name", SAFE)
def test_processes_that_race_for_the_last_pieces_sell_exactly_those(worker_environment, name):
    make_stock(1, 40)
    orders = [order(1000 + n, {1: 1}) for n in range(96)]

    answers = race(worker_environment, [name], orders)

    assert Counter(answers.values()) == {"ok": 40, "not enough": 56}
    assert counts(1) == (0, 40, 0)
    accepted = sorted(order_id for order_id, answer in answers.items() if answer == "ok")
    assert sorted(StockRecord.objects.values_list("order_id", flat=True)) == accepted
    assert stored_notes() == [str(order_id) for order_id in accepted]
    assert Stock.objects.get(goods_id=1).version == 41


@pytest.mark.long
@pytest.mark.parametrize("name", SAFE)
def test_orders_of_several_goods_crossing_each_other_all_get_an_answer(worker_environment, name):
    for goods_id in (1, 2, 3, 4):
        make_stock(goods_id, 30)
    baskets = [{1: 1, 2: 1}, {2: 1, 1: 2}, {3: 1, 1: 1}, {4: 1, 2: 1, 3: 1}, {4: 1, 1: 1}, {2: 2, 4: 1}]
    orders = [order(1000 + n, basket) for n, basket in zip(range(96), itertools.cycle(baskets), strict=False)]

    answers = race(worker_environment, [name], orders)

    assert set(answers.values()) == {"ok", "not enough"}
    for goods_id in (1, 2, 3, 4):
        records = StockRecord.objects.filter(goods_id=goods_id, status=StockRecord.Status.RESERVED)
        taken = records.aggregate(sum=Sum("num"))["sum"]
        assert counts(goods_id) == (30 - taken, taken, 0)
    by_order = Counter(StockRecord.objects.values_list("order_id", flat=True))
    quantities = {item["order_id"]: item["quantities"] for item in orders}
    assert by_order == {order_id: len(quantities[order_id]) for order_id, answer in answers.items() if answer == "ok"}


@pytest.mark.long
@pytest.mark.parametrize("name", SAFE)
def test_duplicates_that_race_take_stock_once(worker_environment, name):
    make_stock(1, 1000)
    orders = [order(1000 + n, {1: 1}, key=f"key-{n % 6}") for n in range(96)]

    answers = race(worker_environment, [name], orders)

    assert Counter(answers.values()) == {"ok": 6, "repeated": 90}
    assert counts(1) == (994, 6, 0)
    assert stored_notes() == [f"key-{n}" for n in range(6)]


def test_strategies_mixed_between_processes_stay_exact(worker_environment):
    assert len(SAFE) > 1
    make_stock(1, 40)
    orders = [order(1000 + n, {1: 1 + n % 2}) for n in range(96)]

    answers = race(worker_environment, SAFE, orders, processes=len(SAFE), threads=4)

    pieces = sum(1 + order_id % 2 for order_id, answer in answers.items() if answer == "ok")
    assert set(answers.values()) == {"ok", "not enough"}
    assert pieces == 40
    assert counts(1) == (0, 40, 0)


# Two connections, stopped between two statements


def await_turn() -> None:
    """Waits until somebody waits: for a row lock, or under redis_lock for the lock of a product."""
    server, deadline = redis.Redis.from_url(settings.REDIS_URL), time.monotonic() + TIMEOUT_SECONDS
    while not (row_lock_waits() or any(map(sleeps, server.client_list()))):
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)
    server.close()


def sleeps(client: dict[str, str]) -> bool:
    """Whether a client of Redis waits for a lock now: the command is that of an idle one, too, which waited before."""
    return client["cmd"] == "blpop" and "b" in client["flags"]


def reserve_one(order_id: int, pieces: int = 1, goods_id: int = 1) -> Status:
    return move([reserve(order_id, {goods_id: pieces})], participant=NoteParticipant())[0].status


@pytest.mark.usefixtures("strategy")
def test_reserve_whose_reading_grew_stale_is_refused_without_a_trace():
    make_stock(1, 2)

    with (
        Parked(lambda: reserve_one(10, 2), at="INSERT INTO auth_group") as slow,
        Background(lambda: reserve_one(11, 1)) as fast,
    ):
        if not locks_on_read():
            assert fast.result() is Status.OK
        slow_status = slow.go()
        fast_status = fast.result()

    # Who had read under the lock comes first; otherwise the one that was faster.
    expected = (Status.OK, Status.NOT_ENOUGH) if locks_on_read() else (Status.NOT_ENOUGH, Status.OK)
    assert (slow_status, fast_status) == expected
    assert stored_notes() == (["10"] if locks_on_read() else ["11"])
    assert counts(1) == ((0, 2, 0) if locks_on_read() else (1, 1, 0))


def locks_on_read() -> bool:
    return settings.STOCK_STRATEGY in ("pessimistic", "redis_lock")


@pytest.mark.usefixtures("strategy")
def test_reserve_waits_for_an_uncommitted_reservation_and_then_sees_it():
    make_stock(1, 1)

    with (
        Parked(lambda: reserve_one(10), at="UPDATE shopping_stock ", after=True) as first,
        Background(lambda: reserve_one(11)) as second,
    ):
        await_turn()
        assert first.go() is Status.OK
        assert second.result() is Status.NOT_ENOUGH

    assert counts(1) == (0, 1, 0)


def test_who_takes_many_products_locks_their_rows_in_order_of_goods(settings):
    """Who waits for the second row has locked the first, and not yet the third: two who want the same never wait for
    each other. The orders have numbers of their own: where another test's rows of the same keys were just deleted, an
    INSERT may wait for the other one."""
    first_order, second_order = 7_000_000_001, 8_000_000_001
    settings.STOCK_STRATEGY = "atomic_update"  # it reads without locks: only its one statement takes them
    for goods_id in (1, 2, 3):
        make_stock(goods_id, 5)

    def reserve_many() -> Status:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", [TIMEOUT_SECONDS])
        return move([reserve(second_order, {3: 1, 2: 1, 1: 1})], participant=NoteParticipant())[0].status

    with (
        Parked(lambda: reserve_one(first_order, goods_id=2), at="UPDATE shopping_stock ", after=True) as first,
        Background(reserve_many) as many,
    ):
        await_lock_wait()
        assert [goods_id for goods_id in (1, 2, 3) if is_locked(goods_id)] == [1, 2]
        assert first.go() is Status.OK
        assert many.result() is Status.OK

    assert [counts(goods_id) for goods_id in (1, 2, 3)] == [(4, 1, 0), (3, 2, 0), (4, 1, 0)]


def is_locked(goods_id: int) -> bool:
    """Whether somebody else has the stock row."""
    try:
        with transaction.atomic():
            return not Stock.objects.select_for_update(nowait=True).get(goods_id=goods_id)
    except OperationalError:
        return True


@pytest.mark.usefixtures("strategy")
def test_reserve_duplicates_racing_on_one_order_take_stock_once():
    make_stock(1, 5)

    with (
        Parked(lambda: reserve_stock(order_id=10, quantities={1: 2}), at="UPDATE shopping_stock ", after=True) as first,
        Background(lambda: reserve_stock(order_id=10, quantities={1: 2})) as second,
    ):
        await_turn()
        first.go()
        second.result()

    assert counts(1) == (3, 2, 0)


@pytest.mark.usefixtures("strategy")
def test_confirm_and_roll_back_of_one_order_racing_end_it_once():
    make_stock(1, 5)
    reserve_stock(order_id=10, quantities={1: 2})

    with (
        Parked(lambda: confirm_stock(order_id=10), at="UPDATE shopping_stock_record ", after=True) as confirming,
        Background(lambda: roll_back_stock(order_id=10, goods_ids=[1])) as rolling_back,
    ):
        await_turn()
        confirming.go()
        with pytest.raises(Exception, match="40010010"):
            rolling_back.result()

    assert counts(1) == (3, 0, 2)


@pytest.mark.usefixtures("strategy")
def test_confirm_holds_its_records_from_the_moment_it_reads_them():
    make_stock(1, 5)
    reserve_stock(order_id=10, quantities={1: 2})
    reserve_stock(order_id=11, quantities={1: 2})  # otherwise the guard of the stock row would notice, too

    with (
        Parked(
            lambda: confirm_stock(order_id=10), at="^SELECT .* FROM shopping_stock_record", after=True
        ) as confirming,
        Background(lambda: roll_back_stock(order_id=10, goods_ids=[])) as rolling_back,
    ):
        await_lock_wait()
        confirming.go()
        with pytest.raises(Exception, match="40010010"):
            rolling_back.result()

    assert counts(1) == (1, 2, 2)


@pytest.mark.usefixtures("strategy")
def test_roll_back_that_overtakes_its_reservation_wins():
    make_stock(1, 5)

    with Parked(lambda: reserve_stock(order_id=10, quantities={1: 2}), at="INSERT INTO shopping_stock_record") as late:
        roll_back_stock(order_id=10, goods_ids=[1])
        with pytest.raises(Exception, match="40010007"):
            late.go()

    assert counts(1) == (5, 0, 0)


@pytest.mark.usefixtures("strategy")
def test_a_real_deadlock_reaches_no_caller():
    """One holds product 1 and wants product 2, a statement of somebody else's the other way round."""
    make_stock(1, 5)
    make_stock(2, 5)

    def both() -> Status:
        return move([reserve(10, {1: 1, 2: 1})], participant=NoteParticipant())[0].status

    def crosswise() -> None:
        raised = "UPDATE shopping_stock SET sold = sold + 0, version = version + 1 WHERE goods_id = %s"
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(raised, [2])
            cursor.execute(raised, [1])

    with (
        Parked(crosswise, at="goods_id = %s$", after=True) as other,
        Background(both) as buyer,
    ):
        await_turn()
        with contextlib.suppress(OperationalError):  # one of the two is the victim
            other.go()
        assert buyer.result() is Status.OK

    assert (counts(1), counts(2)) == ((4, 1, 0), (4, 1, 0))


def test_all_strategies_are_in_the_suite():
    unsafe = {"naive", "transaction"}
    safe = {"pessimistic", "optimistic", "redis_lock", "atomic_update", "group_commit"}
    assert (set(SAFE), set(STRATEGIES)) == (safe, safe | unsafe)
