"""The demo that kills services in the middle of an order: what it claims, it shows, and it fails when that is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.faults.steps import STEPS
from lab.faults.story import Run
from lab.faults.true_state import Count
from lab.kit.processes.shop import ROOT

CLEAN = Count(available=6, reserved=4, sold=0, ordered=4)
LEAKED = Count(available=4, reserved=6, sold=0, ordered=4)
RULE = "I3-record-without-order"


def order_faults(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "order_faults", *options]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=300)


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.slow
def test_a_process_that_dies_after_the_reservation_leaks_directly_and_not_with_a_half_message(tmp_path: Path) -> None:
    """The other steps are in `make faults`."""
    done = order_faults("--fail-at", "after_reserve", "--json", str(tmp_path / "runs.json"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is as expected." in done.stdout
    direct, half_message = json.loads((tmp_path / "runs.json").read_text())
    assert (direct["leaked"], direct["audit"], direct["converged_seconds"]) == (2, [RULE], None)
    assert (half_message["leaked"], half_message["audit"]) == (0, [])
    assert half_message["converged_seconds"] is not None
    told = [event["what"] for event in half_message["timeline"]]
    assert any("killed with -9" in line for line in told)
    assert any(line.startswith("order_unplaced") and ": DONE" in line for line in told)


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.slow
def test_what_dies_while_messages_go_over_rabbitmq_leaks_as_little(tmp_path: Path) -> None:
    """With a broker that is gone, and found again, between the two."""
    words = ["--via", "rabbitmq", "--flow", "half_message", "--json", str(tmp_path / "runs.json")]

    for step in ("before_commit", "broker_down"):
        done = order_faults("--fail-at", step, *words)

        assert done.returncode == 0, done.stdout + done.stderr
        (run,) = json.loads((tmp_path / "runs.json").read_text())
        assert (run["leaked"], run["audit"], run["as_expected"]) == (0, [], True)


def test_an_unknown_step_is_refused() -> None:
    done = order_faults("--fail-at", "lunch")

    assert done.returncode == 2
    assert "invalid choice: 'lunch'" in done.stderr


def test_the_table_of_steps_says_where_the_direct_flow_leaks() -> None:
    assert {name for name, step in STEPS.items() if "direct" in step.leaks} == {"after_reserve", "before_commit"}
    assert not [name for name, step in STEPS.items() if "half_message" in step.leaks]
    assert len(STEPS) == 6


@pytest.mark.parametrize(
    ("flow", "step", "count", "findings", "converged", "expected"),
    [
        ("direct", "after_reserve", LEAKED, [RULE], None, True),
        ("direct", "after_reserve", CLEAN, [], 0.1, False),
        ("direct", "after_reserve", LEAKED, [], None, False),
        ("direct", "after_commit", LEAKED, [RULE], None, False),
        ("half_message", "after_reserve", CLEAN, [], 0.8, True),
        ("half_message", "after_reserve", LEAKED, [RULE], None, False),
        ("half_message", "stock_down", CLEAN, [], None, False),
        ("half_message", "stock_down", CLEAN, ["I6-dead"], 1.0, False),
    ],
)
def test_a_run_is_held_against_the_table(
    flow: str, step: str, count: Count, findings: list[str], converged: float | None, expected: bool
) -> None:
    run = Run(flow, STEPS[step], count=count, findings=findings, converged_seconds=converged)

    assert run.is_as_expected is expected


def test_rocketmq_that_nobody_has_named_is_asked_for() -> None:
    done = order_faults("--via", "rocketmq")

    assert done.returncode == 1
    assert "ROCKETMQ_ENDPOINT=127.0.0.1:8081" in done.stderr
