import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from charites.common import ids
from charites.common.errors import Busy
from charites.common.ids import EPOCH_MS, LEASE_SECONDS, SEQUENCES, Snowflake
from charites.common.models import MAX_INT64, Node
from lab.kit.interleaving import Parked

pytestmark = pytest.mark.django_db

START_MS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)


class Clock:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self, wall_ms: int = START_MS) -> None:
        self.wall_ms, self.seconds = wall_ms, 1000.0

    def snowflake(self) -> Snowflake:
        return Snowflake(wall_ms=lambda: self.wall_ms, monotonic=lambda: self.seconds)

    def advance(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def parts(number: int) -> tuple[int, int, int]:
    """Returns (milliseconds since the epoch of Unix, node, sequence) of an id."""
    return (number >> 22) + EPOCH_MS, number >> 12 & 0x3FF, number & 0xFFF


def expire_leases() -> None:
    """The leases of all nodes have run out, as far as the database knows."""
    Node.objects.update(leased_until=timezone.now() - timedelta(seconds=1))


# One process


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


# Another owner


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


# Many


@pytest.mark.django_db(transaction=True)
def test_threads_of_one_process_never_share_an_id():
    snowflake, taken = Snowflake(), []

    def take() -> None:
        for _ in range(50):
            taken.extend(snowflake.next_ids(40))
        connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == len(set(taken)) == 16_000


def test_processes_never_share_an_id(process_environment):
    command = [sys.executable, "-m", "lab.kit.id_worker", "2", "20", "50"]
    workers = [
        subprocess.Popen(command, env=process_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [worker.stdout.readline() for worker in workers] == ['"ready"\n'] * 3

    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    taken = [number for worker in workers for number in json.loads(worker.communicate(timeout=300)[0])]

    assert len(taken) == len(set(taken)) == 6000
    assert Node.objects.count() == 3


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_that_find_the_same_free_node_at_once_do_not_share_it(clock):
    Node.objects.create(node=0, owner="gone", leased_until=timezone.now() - timedelta(days=1), used_until_ms=0)
    slow, fast = clock.snowflake(), clock.snowflake()

    with Parked(lambda: slow.next_ids(1), at="UPDATE charites_node ") as parked:
        (of_fast,) = fast.next_ids(1)
        (of_slow,) = parked.go()

    assert (parts(of_fast)[1], parts(of_slow)[1]) == (0, 1)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_that_make_the_same_new_node_at_once_do_not_share_it(clock):
    slow, fast = clock.snowflake(), clock.snowflake()

    with Parked(lambda: slow.next_ids(1), at="INSERT INTO charites_node ") as parked:
        (of_fast,) = fast.next_ids(1)
        (of_slow,) = parked.go()

    assert (parts(of_fast)[1], parts(of_slow)[1]) == (0, 1)


def test_forked_child_takes_a_node_of_its_own_although_a_thread_held_the_lock(process_environment):
    done = subprocess.run(
        [sys.executable, "-m", "lab.kit.id_worker", "fork"],
        env=process_environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    children, parents = map(json.loads, done.stdout.splitlines())
    assert len({*children, *parents}) == 6
    assert {parts(number)[1] for number in children} != {parts(number)[1] for number in parents}


def test_next_id_of_the_module_is_one_of_next_ids():
    first, second = ids.next_id(), ids.next_id()

    assert first < second
