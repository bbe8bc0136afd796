"""`manage.py stock_race`, run for real, with few buyers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from charites.audit import run_audit
from charites.common.auth import Role
from lab.kit.factories import bearer, counts, make_stock
from lab.kit.grpc_server import grpc_server
from lab.kit.processes.shop import wait_until
from lab.race import running_shop
from lab.race.child import use
from lab.race.database import PREFIX
from lab.race.progress import HowFar, Lane, read_progress
from lab.race.race_plan import Plan
from lab.race.runner import THE_SERVERS_OWN, run_race
from lab.tests.race import broken_strategies
from stock.models import Stock, StockRecord
from stock.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[3]
SMALL = {"stock": 8, "buyers": 48, "processes": 2, "threads": 8}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def leftovers(tmp_path, monkeypatch):
    """Fails a test whose race leaves a file or a database behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    yield
    assert list((tmp_path / "temporary").iterdir()) == []
    assert databases(os.getpid()) == []


def databases(process: int) -> list[str]:
    """The databases on this server that a race of this process has made."""
    if connection.vendor == "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE %s", [f"{PREFIX}{process}\\_%"])
        return [name for (name,) in cursor.fetchall()]


def run(folder: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """Runs the command; returns strategy -> its part of the JSON. Raises CommandError where the exit code is 1."""
    call_command("stock_race", json=folder / "race.json", **SMALL | options)
    return {found["strategy"]: found for found in json.loads((folder / "race.json").read_text())["strategies"]}


def register(monkeypatch: pytest.MonkeyPatch, strategy: type) -> str:
    monkeypatch.setitem(STRATEGIES, strategy.name, strategy)
    return strategy.name


def test_race_of_all_strategies_shows_who_oversells(tmp_path, capsys):
    found = run(tmp_path, report=tmp_path / "var" / "race.html", drawing=tmp_path / "race.svg")

    wrong = ["naive"] if connection.vendor == "sqlite" else ["naive", "transaction"]
    assert list(found) == list(STRATEGIES)
    assert [name for name, result in found.items() if result["verdict"] == "oversold"] == wrong
    for name in set(found) - set(wrong):
        result = found[name]
        assert (result["sold"], result["oversold"], result["column_left"], result["errors"]) == (8, 0, 0, 0)
        assert result["refused"] + result["busy"] == 40
    assert found["naive"]["sold"] - 8 == found["naive"]["oversold"] > 0
    assert found["naive"]["column_left"] >= 0
    output = capsys.readouterr().out
    assert [name for name in STRATEGIES if f" {name} " not in output] == []
    assert f"report: {tmp_path}/var/race.html" in output
    assert (tmp_path / "var" / "race.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "race.svg").read_text().startswith("<svg ")


def test_race_describes_the_database_as_the_server_does(tmp_path):
    run(tmp_path, strategy="atomic_update", processes=1)

    found = json.loads((tmp_path / "race.json").read_text())
    if connection.vendor == "sqlite":
        assert found["database"].startswith("SQLite 3.")
        assert found["durability"] == {"journal_mode": "wal", "synchronous": "FULL"}
    else:
        assert found["database"].startswith("MariaDB ")
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@sync_binlog, @@innodb_flush_log_at_trx_commit")
            synced, flushed = cursor.fetchone()
        expected = {"sync_binlog": str(synced), "innodb_flush_log_at_trx_commit": str(flushed)}
        assert found["durability"] == {"log_bin": "ON", **expected}


@pytest.mark.long
def test_race_keeps_in_a_file_how_far_it_is(tmp_path):
    run(tmp_path, strategy="atomic_update,optimistic", progress=tmp_path / "progress")

    assert read_progress(tmp_path / "progress") == HowFar([Lane("atomic_update", 48, 48), Lane("optimistic", 48, 48)])
    assert not (tmp_path / "progress.new").exists()


@pytest.mark.long
def test_race_tells_who_has_come_before_it_begins():
    told = []
    plan = Plan(stock=2, buyers=4, processes=2, threads=1)

    def note(*words):
        told.append(words)

    run_race(plan, [STRATEGIES["atomic_update"]], note, note)

    assert told[:5] == [(0, 3), (1, 3), (2, 3), (3, 3), ("atomic_update", 0)]


@pytest.mark.long
def test_race_touches_nothing_of_the_shop(tmp_path):
    make_stock(1, 5)

    run(tmp_path, strategy="naive")

    assert counts(1) == (5, 0, 0)
    assert Stock.objects.count() == 1
    assert not StockRecord.objects.exists()


@pytest.mark.long
def test_race_of_several_goods_and_pieces_counts_pieces(tmp_path):
    found = run(tmp_path, strategy="atomic_update", goods=3, quantity=2)["atomic_update"]

    assert found["stock"] == 24
    assert found["sold"] + found["column_left"] == 24
    assert (found["sold"] % 4, found["oversold"], found["errors"]) == (0, 0, 0)


@pytest.mark.long
def test_race_over_grpc_has_the_same_verdicts(tmp_path):
    many = {"buyers": 400, "stock": 100}  # each server takes them in batches: enough of these for two to overlap
    found = run(tmp_path, strategy="naive,group_commit", via="grpc", **many)

    assert {name: result["verdict"] for name, result in found.items()} == {
        "naive": "oversold",
        "group_commit": "exact",
    }
    assert found["group_commit"]["sold"] == 100


@pytest.mark.long
@pytest.mark.parametrize("via", ["service", "grpc"])
def test_race_with_a_limit_gives_every_buyer_what_the_limit_says_and_no_piece_more(tmp_path, capsys, via):
    few = {"buyers": 24, "stock": 40, "limit_per_buyer": 2, "via": via}
    found = run(tmp_path, strategy="pessimistic,group_commit", report=tmp_path / "race.html", **few)

    for result in found.values():
        assert (result["sold"], result["oversold"], result["column_left"], result["errors"]) == (40, 0, 0, 0)
        assert (result["limit_per_buyer"], result["most_of_a_buyer"], result["verdict"]) == (2, 2, "exact")
        assert result["sold"] + result["refused"] + result["limited"] + result["busy"] == result["buyers"] == 96
    words = "One buyer could have 2 of a product, over all orders; the most that one has is 2."
    assert words in " ".join(capsys.readouterr().out.split())  # in whatever lines
    assert words in (tmp_path / "race.html").read_text()


@pytest.mark.long
def test_race_with_a_limit_and_pieces_for_everybody_refuses_half_of_the_attempts(tmp_path):
    found = run(tmp_path, strategy="group_commit", buyers=24, stock=100, limit_per_buyer=2)["group_commit"]

    assert (found["sold"], found["limited"], found["refused"], found["column_left"]) == (48, 48, 0, 52)


@pytest.mark.long
def test_race_with_a_limit_of_all_strategies_is_one_of_the_safe_ones(tmp_path):
    found = run(tmp_path, buyers=4, stock=4, limit_per_buyer=1, threads=2)

    assert list(found) == [name for name, strategy in STRATEGIES.items() if strategy.safe]


# Exit codes


@pytest.mark.long
def test_race_with_a_strategy_that_claims_to_be_safe_fails(tmp_path, monkeypatch):
    name = register(monkeypatch, broken_strategies.ClaimsToBeSafe)

    with pytest.raises(CommandError, match="claims_to_be_safe should have been exact and was oversold") as caught:
        run(tmp_path, strategy=name)

    assert caught.value.returncode == 1
    assert json.loads((tmp_path / "race.json").read_text())["strategies"][0]["verdict"] == "oversold"


def test_race_with_a_strategy_that_refuses_while_pieces_are_left_fails(tmp_path, monkeypatch):
    name = register(monkeypatch, broken_strategies.Refusing)

    with pytest.raises(CommandError, match="refusing should have been exact and was stranded"):
        run(tmp_path, strategy=name, stock=40, processes=1)


@pytest.mark.long
@pytest.mark.servers
def test_race_of_atomic_update_without_its_guard_fails(tmp_path, monkeypatch):
    name = register(monkeypatch, broken_strategies.WithoutGuard)

    with pytest.raises(CommandError, match="without_guard met [0-9]+ errors, such as IntegrityError"):
        run(tmp_path, strategy=name, stock=20, buyers=200, threads=16)


@pytest.mark.long
def test_race_where_naive_has_no_chance_to_oversell_fails(tmp_path):
    with pytest.raises(CommandError, match="naive should have been oversold and was exact"):
        run(tmp_path, strategy="naive", processes=1, threads=1)


def test_race_whose_process_dies_fails_with_its_last_words(tmp_path, monkeypatch):
    name = register(monkeypatch, broken_strategies.Dying)

    with pytest.raises(CommandError, match=r"(?s)process buyers ended early.*famous last words"):
        run(tmp_path, strategy=name, processes=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": "naive,hope"}, "No such strategy: hope"),
        ({"strategy": "naive", "address": "127.0.0.1:1"}, "leave out --strategy"),
        ({"address": "127.0.0.1:1"}, "needs --token"),
        ({"address": "127.0.0.1:1", "limit_per_buyer": 2}, "leave out --limit-per-buyer"),
        ({"strategy": "naive,pessimistic", "limit_per_buyer": 2}, "safe strategies only, and these are not: naive"),
        ({"address": "127.0.0.1:1", "token": "Bearer x", "processes": 1}, "answered UNAVAILABLE"),
    ],
)
def test_race_with_wrong_options_says_so(tmp_path, options, words):
    with pytest.raises(CommandError, match=words):
        run(tmp_path, **options)


def test_unsafe_strategies_are_refused_on_any_other_database():
    with pytest.raises(RuntimeError, match="on the race's own database only"):
        use("stock.strategies.naive.Naive")


# A running server


@pytest.mark.long
def test_race_of_a_running_server_leaves_it_as_it_was(tmp_path):
    make_stock(1, 5)

    with grpc_server() as address:
        found = run(tmp_path, address=address, token=bearer(0, Role.SERVICE))

    assert list(found) == [THE_SERVERS_OWN]
    result = found[THE_SERVERS_OWN]
    assert (result["sold"], result["column_left"], result["verdict"]) == (8, 0, "exact")
    assert result["retries"] is None
    assert counts(1) == (5, 0, 0)
    borrowed = Stock.objects.exclude(goods_id=1).get()
    assert counts(borrowed.goods_id) == (0, 0, 0)
    statuses = set(StockRecord.objects.values_list("goods_id", "status"))
    assert statuses == {(borrowed.goods_id, StockRecord.Status.ROLLED_BACK)}
    assert [found.check.id for found in run_audit(now=timezone.now()) if found.total] == []


@pytest.mark.long
def test_race_of_a_running_server_with_a_customers_token_is_refused(tmp_path):
    with grpc_server() as address:
        with pytest.raises(CommandError, match="answered PERMISSION_DENIED"):
            run(tmp_path, address=address, token=bearer(1), processes=1)

    assert not Stock.objects.exists()


def test_race_of_a_running_server_keeps_off_goods_that_it_has(tmp_path, monkeypatch):
    make_stock(1, 5)
    monkeypatch.setattr(running_shop, "fresh_numbers", lambda count: [1])

    with grpc_server() as address:
        with pytest.raises(CommandError, match="has stock of product 1 already"):
            run(tmp_path, address=address, token=bearer(0, Role.SERVICE), processes=1)

    assert counts(1) == (5, 0, 0)
    assert not StockRecord.objects.exists()


# Ends


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_race_that_is_ended_leaves_no_process_and_no_database(tmp_path, number, code):
    folder = tmp_path / "killed"
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder), "TRANSACTION_TRIES": "6"}
    command = [sys.executable, "manage.py", "stock_race", "--strategy", "atomic_update,naive", "--buyers", "20000"]
    race = subprocess.Popen(
        [*command, "--stock", "20000"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: len(alive(folder)) == 6, seconds=60, what="command, ledger and four processes of buyers")
        wait_until(lambda: receipts(folder, race.pid) > 20, seconds=60, what="a race that is under way")
        race.send_signal(number)
        race.communicate(timeout=300)
    finally:
        race.kill()
        race.wait()

    assert race.returncode == code
    wait_until(lambda: alive(folder) == [], seconds=60, what="the end of all processes")
    if number != signal.SIGKILL:
        assert list(folder.iterdir()) == []
        assert databases(race.pid) == []
    for name in databases(race.pid):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE `{name}`")


def receipts(folder: Path, process: int) -> int:
    """How many orders have been accepted so far in the race of this process."""
    count = "SELECT COUNT(*) FROM {}shopping_stock_record"
    try:
        for name in databases(process):
            with connection.cursor() as cursor:
                cursor.execute(count.format(f"`{name}`."))
                return cursor.fetchone()[0]
        for file in folder.glob("*/race.sqlite3"):
            with closing(sqlite3.connect(file)) as race:
                return race.execute(count.format("")).fetchone()[0]
    except (DatabaseError, sqlite3.Error):
        pass  # the tables are not there yet
    return 0


def alive(folder: Path) -> list[str]:
    """Processes whose temporary files are in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue  # it ended meanwhile
    return found
