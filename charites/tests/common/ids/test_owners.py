"""Nodes and their leases: restarts, sleepers, and who comes second."""

from datetime import timedelta

import pytest
from django.utils import timezone

from charites.common.errors import Busy
from charites.common.ids import LEASE_SECONDS
from charites.common.models import Node
from charites.tests.common.ids.set_clock import expire_leases, parts

pytestmark = pytest.mark.django_db


def test_restart_inside_one_millisecond_repeats_nothing(clock, settings):
    settings.NODE_LAST = settings.NODE_FIRST = 0
    before = clock.snowflake().next_ids(3)
    expire_leases()

    after = clock.snowflake().next_ids(3)

    assert min(after) > max(before)
    assert parts(after[0])[1] == parts(before[0])[1] == 0


def test_restart_with_the_clock_set_back_repeats_nothing(clock, settings):
    settings.NODE_LAST = settings.NODE_FIRST = 0
    clock.wall_ms += 3_600_000
    before = clock.snowflake().next_ids(3)
    expire_leases()
    clock.wall_ms -= 3_600_000

    after = clock.snowflake().next_ids(3)

    assert min(after) > max(before)


def test_two_owners_in_one_millisecond_have_nodes_of_their_own(clock):
    first, second = clock.snowflake(), clock.snowflake()

    taken = [*first.next_ids(5), *second.next_ids(5), *first.next_ids(5)]

    assert len(set(taken)) == 15
    assert {parts(number)[1] for number in taken} == {0, 1}


def test_process_that_slept_past_its_lease_takes_another_node(clock, settings):
    sleeper, other = clock.snowflake(), clock.snowflake()
    before = sleeper.next_ids(2)
    expire_leases()
    taken_over = other.next_ids(2)
    clock.advance(LEASE_SECONDS + 1)

    after = sleeper.next_ids(2)

    assert parts(taken_over[0])[1] == parts(before[0])[1] == 0
    assert parts(after[0])[1] == 1
    assert len({*before, *taken_over, *after}) == 6


def test_process_that_lost_its_lease_to_somebody_notices_at_the_renewal(clock):
    loser, winner = clock.snowflake(), clock.snowflake()
    before = loser.next_ids(2)
    expire_leases()
    taken_over = winner.next_ids(2)
    clock.advance(31)  # past half time, inside the lease as the loser knows it

    after = loser.next_ids(2)

    assert parts(after[0])[1] == 1
    assert len({*before, *taken_over, *after}) == 6


def test_node_table_that_was_emptied_costs_a_new_lease(clock):
    snowflake = clock.snowflake()
    before = snowflake.next_ids(1)
    Node.objects.all().delete()
    clock.advance(31)

    after = snowflake.next_ids(1)

    assert after > before


def test_range_of_nodes_that_is_used_up_is_busy(clock, settings):
    settings.NODE_FIRST, settings.NODE_LAST = 10, 11
    clock.snowflake().next_ids(1)
    clock.snowflake().next_ids(1)

    with pytest.raises(Busy):
        clock.snowflake().next_ids(1)

    expire_leases()
    assert len(clock.snowflake().next_ids(1)) == 1


def test_range_of_nodes_is_kept_to(clock, settings):
    settings.NODE_FIRST, settings.NODE_LAST = 512, 1023
    Node.objects.create(node=3, owner="stock", leased_until=timezone.now() - timedelta(days=1), used_until_ms=0)

    (number,) = clock.snowflake().next_ids(1)

    assert parts(number)[1] == 512
    assert Node.objects.get(node=3).owner == "stock"
