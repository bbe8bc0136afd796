"""Ids that threads and processes take at once."""

import json
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from charites.common import ids
from charites.common.ids import Snowflake
from charites.common.models import Node
from charites.tests.common.ids.set_clock import parts
from lab.kit.interleaving import Parked

pytestmark = pytest.mark.django_db


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


@pytest.mark.long
def test_processes_never_share_an_id(process_environment):
    command = [sys.executable, "-m", "lab.kit.processes.id_worker", "2", "20", "50"]
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


@pytest.mark.long
def test_forked_child_takes_a_node_of_its_own_although_a_thread_held_the_lock(process_environment):
    done = subprocess.run(
        [sys.executable, "-m", "lab.kit.processes.id_worker", "fork"],
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
