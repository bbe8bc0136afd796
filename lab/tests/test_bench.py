"""What `make bench` does with its figures."""

import json
import os
import re
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.bench import scale_page
from lab.bench.__main__ import BENCHMARKS, main
from lab.bench.b11_payments import Payer
from lab.bench.b15_peer import loopback
from lab.bench.grpc_load import as_body
from lab.bench.native import Load, read_calls
from lab.bench.pending import percentile, shares
from lab.bench.plot import draw, draw_curves, draw_rates, share
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.servers.private_server import ServerFailed

ROOT = Path(__file__).resolve().parents[2]
CALLS = "seconds 2.000\nstatus 0 500\nstatus 9 20\nstatus -1 3\nsecond 0 180\nsecond 1 320\np50 1.50\np99 9.25\n"


def test_calls_are_told_apart_by_how_they_ended() -> None:
    calls = read_calls(CALLS)

    assert calls.by_status == {"OK": 500, "FAILED_PRECONDITION": 20, "none": 3}
    assert (calls.p50, calls.p99) == (1.5, 9.25)
    assert calls.each_second == [180, 320]
    assert calls.load().rate == 250
    assert calls.load("FAILED_PRECONDITION").rate == 10
    with pytest.raises(ServerFailed, match="No call ended with UNAVAILABLE"):
        calls.load("UNAVAILABLE")


def test_contestants_take_turns_there_and_back_and_a_ratio_is_of_one_round() -> None:
    turns: list[str] = []
    rates = {"fast": iter([1, 40, 60, 30, 10]), "slow": iter([1, 10, 10, 10, 10])}

    def contestant(name: str) -> Contestant:
        def load(seconds: int) -> Load:
            turns.append(name)
            return Load(next(rates[name]), 1)

        return Contestant(name, load, [os.getpid()])

    stage = SimpleNamespace(servers=list)
    found = Rates(stage, [contestant("fast"), contestant("slow")], rounds=2, seconds=1)  # type: ignore[arg-type]
    ratio = found.ratio("fast / slow", "fast", "slow", floor=3, goal=6)

    assert turns == ["fast", "slow", *["fast", "slow", "slow", "fast"] * 2]
    assert ratio.rounds == [5, 2]
    assert (ratio.median, ratio.is_reached) == (3.5, True)


@pytest.mark.parametrize(("median", "is_reached"), [(1.19, False), (1.2, True)])
def test_floor_is_reached_or_missed(median: float, is_reached: bool) -> None:
    assert Ratio("B2", 1.2, 1.6, [median]).is_reached is is_reached


def test_where_less_is_better_a_ratio_reaches_its_floor_from_above() -> None:
    memory = Ratio("B8 worker memory", 1.2, 1.05, [2.1])

    assert not memory.is_reached
    assert memory.reached(memory.goal) == 0.5
    assert Ratio("B8 worker memory", 1.2, 1.05, [1.2]).is_reached
    assert Ratio("B2", 1.2, 1.6, [2.4]).reached(1.2) == 2


def test_a_ratio_of_another_load_than_its_name_says_reaches_nothing() -> None:
    ratio = Ratio("B11", 0.6, 0.8, [0.9], is_sound=False)

    assert (ratio.is_reached, ratio.reached(ratio.goal)) == (False, 0)


def test_what_comes_before_a_load_is_no_part_of_it() -> None:
    steps: list[str] = []

    def load(seconds: int) -> Load:
        steps.append("load")
        return Load(1, 1)

    contestant = Contestant("closing", load, None, prepare=lambda: steps.append("prepare"))
    rates = Rates(SimpleNamespace(servers=list), [contestant], rounds=1, seconds=1)  # type: ignore[arg-type]

    assert steps == ["prepare", "load"] * 3
    assert rates.describe("closing") == "closing: 1/s"  # whose processes are not ours has no CPU to show


def test_results_are_drawn_and_the_drawing_loads_nothing(tmp_path: Path) -> None:
    ratios = [
        Ratio("B1 batches / C client", 4, 8, [7.0, 7.5, 8.0]).as_json(),
        Ratio("B11 paid / alone", 0.6, 0.8, [0.78], is_sound=False).as_json(),
    ]

    draw({"at": "2026-11-29T00:00:00", "machine": {"cpus": 2}, "ratios": ratios}, tmp_path / "bench.svg")

    drawing = (tmp_path / "bench.svg").read_text()
    assert "B1 batches / C client" in drawing
    assert "94%" in drawing
    assert "98%" not in drawing  # 0.78 of 0.8, by a load that was not as it says
    assert 'href="http' not in drawing


def test_message_is_framed_as_grpc_does(tmp_path: Path) -> None:
    assert as_body(tmp_path / "body", b"abc").read_bytes() == b"\0\0\0\0\x03abc"


def test_shares_of_a_drawing_are_large_where_less_is_better_and_little_was_used() -> None:
    memory = {"name": "B8 worker memory", "floor": 1.2, "goal": 1.05}

    assert (share(memory, 2.1), share(memory, 1.05)) == (0.5, 1)


@pytest.mark.parametrize(("text", "address"), [("localhost:8081", "127.0.0.1:8081"), ("127.0.0.5:1", "127.0.0.5:1")])
def test_a_peer_is_an_address_on_this_machine(text: str, address: str) -> None:
    assert loopback(text) == address


@pytest.mark.parametrize("text", ["10.0.0.1:8081", "shop.example:8081", "127.0.0.1", "127.0.0.1:", "8081"])
def test_a_peer_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="no address on this machine"):
        loopback(text)


def test_without_a_peer_there_is_no_run_and_no_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--only", "peer", "--out", str(tmp_path / "bench.json")])

    assert main() == 0
    assert "B15: not run" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_benchmarks_stand_in_the_order_of_their_numbers() -> None:
    assert list(BENCHMARKS) == sorted(BENCHMARKS, key=lambda name: int(name[1:]))


def test_latest_percentile_is_the_worst() -> None:
    late = [float(n) for n in range(100, 0, -1)]

    assert dict(shares(late)) == {"p50": 51, "p99": 100, "worst": 100}
    assert percentile([3.0], 0.5) == 3


def test_pace_of_payments_is_what_was_paid_of_what_was_due() -> None:
    payer = Payer()
    payer.rates, payer.paid, payer.due = [80, 100], 180, 200

    assert payer.pace == 0.9
    assert payer.words() == "90/s paid, 90% of those due: the pace of one in two was kept"
    payer.paid = 20
    assert "NOT kept" in payer.words()


def test_curves_are_drawn_as_shares_of_their_medians(tmp_path: Path) -> None:
    draw_curves({"orders/s (median 20)": [10.0, 20.0, 40.0], "nothing": [0.0, 0.0]}, tmp_path / "c.svg", title="A soak")

    drawing = (tmp_path / "c.svg").read_text()
    assert "orders/s (median 20)" in drawing
    assert 'href="http' not in drawing


def test_rates_are_drawn_by_their_sizes(tmp_path: Path) -> None:
    draw_rates({"1 committer": [700.0, 9000.0]}, [1, 256], tmp_path / "rates.svg", title="Orders a second")

    drawing = (tmp_path / "rates.svg").read_text()
    assert "9,000" in drawing
    assert 'href="http' not in drawing


@pytest.mark.parametrize("page", scale_page.PAGES)
def test_tables_of_the_page_on_scaling_are_those_of_the_results(page: str) -> None:
    text, results = (ROOT / page).read_text(), json.loads(scale_page.RESULTS.read_text())

    assert scale_page.with_tables(page, text, results) == text, "stale: python -m lab.bench.scale_page"


def test_page_on_scaling_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(scale_page.NoBlock, match="has no <!-- balanced -->"):
        scale_page.with_tables("docs/when-to-scale.md", "<!-- committers -->\n<!-- /committers -->\n", {})


def test_machines_are_bound_by_what_has_least_processor_time_left() -> None:
    measured = {"part": "servers", "processes": 2, "callers": 256, "is_one": True, "rates": [4000, 5000, 4500]}
    results = {"machine": {"cpus": 2}, "cells": [{**measured, "micros": 300, "server_micros": 50}]}

    rows = scale_page.machines(scale_page.PAGES["docs/when-to-scale.md"], results).splitlines()[2:]

    assert rows == [
        "| 1 | measured | 4,500 | 0.06 | 38 | its processors |",
        "| 2 | extrapolated | 8,000 | 0.07 | 38 | the processors of the shop |",
        "| 10 | extrapolated | 40,000 | 0.07 | 342 | the processors of the database |",
        "| 100 | extrapolated | 40,000 | 0.69 | 3,762 | connections, then the processors of the database |",
    ]


def test_connections_on_the_page_are_those_that_the_shop_and_the_database_are_set_to() -> None:
    workers = re.search(r"^\| `GRPC_MAX_WORKERS` \| `(\d+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    most = re.search(r"^max_connections = (\d+)", (ROOT / "deploy" / "mariadb.cnf").read_text(), re.MULTILINE)

    assert workers
    assert most
    assert int(workers[1]) + 3 == scale_page.CONNECTIONS_A_PROCESS
    assert int(most[1]) == scale_page.MOST_CONNECTIONS
