"""The database's time, between two readings of its clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from django.db import DatabaseError, OperationalError, connection

from charites.common import clock
from charites.common.clock import READ_EVERY_SECONDS, DatabaseClock, Reading, connect_to_database, read_database_time

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Database:
    """Its clock says NOON plus what has passed; every answer takes `delay` seconds of the monotonic clock."""

    def __init__(self, delay: float = 0.0) -> None:
        self.monotonic, self.asked, self.is_away, self.delay, self.ahead = 100.0, 0, False, delay, timedelta()

    def read(self) -> datetime | None:
        self.asked += 1
        self.monotonic += self.delay / 2
        if self.is_away:
            raise OperationalError(2013, "Lost connection")
        told = self.time
        self.monotonic += self.delay / 2
        return told

    @property
    def time(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic - 100.0) + self.ahead


def make(database: Database) -> DatabaseClock:
    return DatabaseClock(database.read, lambda: database.monotonic)


def test_time_is_the_databases_whatever_this_machine_thinks() -> None:
    database = Database()

    assert make(database).now() == NOON


def test_a_slow_answer_is_of_the_middle_of_the_question() -> None:
    database = Database(delay=2.0)
    found = make(database).now()

    assert found == database.time


def test_what_it_takes_to_connect_does_not_set_the_clock_ahead() -> None:
    database = Database()

    def connect() -> None:
        database.monotonic += 2.0

    assert DatabaseClock(database.read, lambda: database.monotonic, connect=connect).now() == database.time


def test_between_two_readings_the_monotonic_clock_carries_on() -> None:
    database = Database()
    ours = make(database)
    ours.now()

    database.monotonic += READ_EVERY_SECONDS - 0.5

    assert (ours.now(), database.asked) == (database.time, 1)


def test_a_database_whose_clock_was_set_is_followed_with_the_next_reading() -> None:
    database = Database()
    ours = make(database)
    ours.now()

    database.ahead = timedelta(hours=1)
    database.monotonic += READ_EVERY_SECONDS

    assert (ours.now(), database.asked) == (database.time, 2)


def test_while_the_database_is_away_the_last_reading_holds_and_it_is_not_asked_all_the_time() -> None:
    database = Database()
    ours = make(database)
    ours.now()

    database.is_away = True
    database.monotonic += 2 * READ_EVERY_SECONDS

    assert [ours.now() for _ in range(3)] == [database.time] * 3
    assert database.asked == 2


def test_before_the_first_reading_nobody_gets_a_time() -> None:
    database = Database()
    ours = make(database)

    database.is_away = True
    for _ in range(2):
        with pytest.raises(OperationalError):
            ours.now()
    database.is_away = False

    assert (ours.now(), database.asked) == (database.time, 3)


def test_first_reading_is_waited_for_by_all_who_come_meanwhile() -> None:
    """Four loops of a sweep start at once."""
    is_asked, may_answer, asked = Event(), Event(), []

    def read() -> datetime:
        asked.append(1)
        is_asked.set()
        assert may_answer.wait(30)
        return NOON

    ours = DatabaseClock(read, lambda: 100.0)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(ours.now) for _ in range(4)]
        assert is_asked.wait(30)
        assert not any(future.done() for future in found)
        may_answer.set()
        assert [future.result(30) for future in found] == [NOON] * 4

    assert len(asked) == 1


def test_who_may_not_wait_gets_the_time_that_is_carried_on_and_none_before_the_first_reading() -> None:
    database = Database()
    ours = make(database)

    assert ours.carried() is None
    ours.now()
    database.monotonic += 10 * READ_EVERY_SECONDS
    assert (ours.carried(), database.asked) == (database.time, 1)


def test_who_may_not_wait_gets_the_time_of_this_machine_where_it_is_the_databases() -> None:
    ours = DatabaseClock(lambda: None)

    assert ours.carried() is None
    ours.now()
    carried = ours.carried()
    assert carried is not None
    assert abs(carried - datetime.now(UTC)) < timedelta(minutes=1)


def test_reading_that_is_replaced_while_the_time_is_told_is_not_mixed_with_the_next_one() -> None:
    database = Database()
    ours = make(database)
    ours.now()

    def meanwhile() -> float:
        ours._reading = Reading(NOON, -10_000.0)
        return database.monotonic

    ours._monotonic = meanwhile
    assert ours.carried() == database.time


def test_a_forked_child_reads_anew() -> None:
    database = Database()
    ours = make(database)
    ours.now()

    ours.forget()

    assert (ours.now(), database.asked) == (database.time, 2)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_mariadb_is_asked_past_the_statements_that_are_counted(django_assert_num_queries) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET timestamp = 1767268800.5")  # this connection's NOON and a half

    try:
        with django_assert_num_queries(0):
            assert read_database_time() == NOON + timedelta(seconds=0.5)
    finally:
        connection.close()


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_connection_that_was_cut_is_an_error_that_services_know() -> None:
    connection.ensure_connection()
    with connection.cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("KILL CONNECTION CONNECTION_ID()")

    with pytest.raises(OperationalError):
        read_database_time()

    connection.close()
    connect_to_database()
    assert read_database_time()


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_sqlite_has_no_clock_of_its_own() -> None:
    assert read_database_time() is None
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=30)
