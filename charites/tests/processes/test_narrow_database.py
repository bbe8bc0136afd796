"""A database that cannot hold every letter is told of before anything serves it, and before anything is made in it."""

from collections.abc import Iterator

import pytest
from django.db import connection

from charites.tests.processes.test_start import PROCESSES, end_of


@pytest.fixture
def narrow(process_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a process whose database was made without a word about its character set, long ago."""
    address, _, name = process_environment["DATABASE_URL"].rpartition("/")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}_narrow CHARACTER SET latin1")
    yield process_environment | {"DATABASE_URL": f"{address}/{name}_narrow"}
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}_narrow")


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.parametrize("process", [name for name in PROCESSES if name != "check"])
def test_process_whose_database_is_of_another_character_set_says_so_and_ends(
    narrow: dict[str, str], process: str
) -> None:
    code, told = end_of(PROCESSES[process], narrow)

    assert code != 0
    assert "The database has character_set_database = latin1, and the shop needs utf8mb4." in told
    assert "Traceback" not in told
