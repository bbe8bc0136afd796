"""Ids of one process."""

import pytest
from django.db import OperationalError, connection

from charites.common.ids import SEQUENCES
from charites.common.models import MAX_INT64, Node
from charites.tests.common.ids.set_clock import START_MS, parts

pytestmark = pytest.mark.django_db


def test_id_carries_time_node_and_sequence(clock, settings):
    settings.NODE_FIRST = 5

    first, second = clock.snowflake().next_ids(2)

    assert (parts(first), parts(second)) == ((START_MS, 5, 0), (START_MS, 5, 1))
    assert 0 < first < second <= MAX_INT64


def test_ids_ascend_and_borrow_from_the_next_millisecond_when_one_is_used_up(clock):
    taken = clock.snowflake().next_ids(SEQUENCES + 1)

    assert taken == sorted(set(taken))
    assert parts(taken[-2]) == (START_MS, 0, SEQUENCES - 1)
    assert parts(taken[-1]) == (START_MS + 1, 0, 0)


def test_ids_need_the_database_once_a_lease(clock, django_assert_num_queries):
    snowflake = clock.snowflake()
    snowflake.next_ids(1)

    with django_assert_num_queries(0):
        snowflake.next_ids(1000)


def test_no_ids_are_none(clock):
    assert clock.snowflake().next_ids(0) == []


def test_clock_ten_seconds_back_repeats_nothing(clock):
    snowflake = clock.snowflake()
    before = snowflake.next_ids(3)
    clock.wall_ms -= 10_000

    after = snowflake.next_ids(SEQUENCES * 2)

    assert min(after) > max(before)
    assert len(set(after)) == SEQUENCES * 2


def test_clock_an_hour_forward_and_back_repeats_nothing(clock):
    snowflake = clock.snowflake()
    taken = snowflake.next_ids(3)
    clock.wall_ms += 3_600_000
    taken += snowflake.next_ids(3)
    clock.wall_ms -= 3_600_000
    taken += snowflake.next_ids(3)

    assert taken == sorted(set(taken))
    # What was handed out an hour ahead is covered by what the next owner starts above.
    assert parts(taken[-1])[0] < Node.objects.get().used_until_ms


def test_every_id_is_below_what_the_node_says_is_used(clock):
    snowflake = clock.snowflake()
    for seconds in (0, 1, 29, 31, 59, 61, 3600):
        clock.advance(seconds)
        (number,) = snowflake.next_ids(1)

        assert parts(number)[0] < Node.objects.get(node=parts(number)[1]).used_until_ms


def test_lease_is_renewed_at_half_time(clock):
    snowflake = clock.snowflake()
    snowflake.next_ids(1)
    until = Node.objects.get().used_until_ms
    clock.advance(29)
    snowflake.next_ids(1)
    assert Node.objects.get().used_until_ms == until

    clock.advance(2)
    snowflake.next_ids(1)

    assert Node.objects.get().used_until_ms == until + 31_000


def test_database_that_is_away_at_half_time_costs_nothing_while_the_lease_holds(clock):
    snowflake = clock.snowflake()
    before = snowflake.next_ids(1)
    tries = []

    def away(execute, sql, params, many, context):
        tries.append(sql)
        raise OperationalError(2013, "Lost connection")

    clock.advance(31)
    with connection.execute_wrapper(away):
        during = [*snowflake.next_ids(1), *snowflake.next_ids(1)]
        assert len(tries) == 1
        clock.advance(1.5)
        during += snowflake.next_ids(1)
        assert len(tries) == 2
        clock.advance(30)
        with pytest.raises(OperationalError):
            snowflake.next_ids(1)
    after = snowflake.next_ids(1)

    assert before < during[:1] < during[1:2] < during[2:] < after
    assert {parts(number)[1] for number in (*before, *during)} == {parts(before[0])[1]}
