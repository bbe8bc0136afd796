"""How often the fault tests and drills try: a sample in `make test`, all of it in `make faults` and `make drill`, which
write down what they did.

A plugin of pytest, loaded by the top conftest.py. A test that takes the fixture `trials` asks it for counts and for
chance, and tells it what was done; all of that stands at the end of every run. `--faults full` runs these tests alone.
"""

import os
import platform
import random
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "trials"
DONE = pytest.StashKey[list[dict[str, Any]]]()
SAMPLE = "`make test` runs a sample of each."
LOTS = "A test that draws lots says its seed, and `--faults-seed` draws the same ones again."
HEADS = {  # by the page's name
    "faults": f"""# Faults

What `make faults` did, in its own words: the tests of
[charites/tests/faults](../charites/tests/faults/__init__.py) with their full counts, on private MariaDB, Redis and
RabbitMQ servers. {SAMPLE}
{LOTS}

One machine cannot show everything: a process killed with -9 is not a power cut, and one host has no partitions.
""",
    "drills": f"""# Drills

What `make drill` did, in its own words: the tests of [charites/tests/drills](../charites/tests/drills/__init__.py) with
their full counts. In each of them something that stands beside others of its kind dies at a moment drawn by lot, while
sixteen buyers are at it over REST and gRPC. What each set-up costs, and when to take it: [scaling](scaling.md).
{SAMPLE}
{LOTS}

All of it is one machine with two cores: seconds are those of a busy laptop, and one host has no partitions.
""",
}


class Trials:
    """What one test may ask for, and where it says what it did. Chance comes from `random`, so a seed repeats it."""

    def __init__(self, *, is_full: bool, seed: int | None) -> None:
        self.is_full = is_full
        self.seed = secrets.randbelow(2**32) if seed is None else seed
        self.random = random.Random(self.seed)
        self.lines: list[str] = []
        self.rows: list[dict[str, str]] = []

    def count(self, *, sample: int, full: int) -> int:
        """How many tries to make in this run."""
        return full if self.is_full else sample

    def tell(self, line: str) -> None:
        """Notes what was done and what came out, with the numbers."""
        self.lines.append(line)

    def row(self, cells: dict[str, str]) -> None:
        """Notes a row, column by column, of a table of what was done. In the report it stands below the tests, or for a
        test that tells nothing else."""
        self.rows.append(cells)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--faults", choices=["sample", "full"], default="sample", help="how much the fault tests try")
    group.addoption("--faults-seed", type=int, help="repeats what a run drew by lot")
    group.addoption("--faults-report", type=Path, metavar="FILE", help="write what was done to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[DONE] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--faults") == "full":
        others = [item for item in items if PROPERTY not in getattr(item, "fixturenames", ())]
    else:
        others = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if item not in set(others)]
    config.hook.pytest_deselected(items=others)


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Iterator[Trials]:
    """How often to try, with what seed, and where to say what was done."""
    trials = Trials(
        is_full=request.config.getoption("--faults") == "full", seed=request.config.getoption("--faults-seed")
    )
    yield trials
    request.node.user_properties.append((PROPERTY, {"seed": trials.seed, "lines": trials.lines, "rows": trials.rows}))


class Collecting:
    """Gathers what the tests told; with pytest-xdist the controller does."""

    def __init__(self, config: pytest.Config) -> None:
        self._done = config.stash[DONE]
        self._results: dict[str, tuple[str, float]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome, seconds = self._results.get(report.nodeid, ("passed", 0.0))
        outcome = outcome if report.passed else report.outcome
        self._results[report.nodeid] = (outcome, seconds + (report.duration if report.when == "call" else 0))
        told = dict(report.user_properties).get(PROPERTY)
        if report.when == "teardown" and isinstance(told, dict):
            outcome, seconds = self._results[report.nodeid]
            self._done.append({"test": report.nodeid, "outcome": outcome, "seconds": seconds, **told})


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(Collecting(session.config), "trials-collecting")


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    done = config.stash[DONE]
    if not done:
        return
    terminalreporter.section(f"faults ({config.getoption('--faults')})")
    for entry in done:
        words = "; ".join(entry["lines"] or map(in_words, entry["rows"])) or "-"
        name = entry["test"].rpartition("/")[2]
        line = f"{name}: {entry['outcome']} in {entry['seconds']:.1f} s, seed {entry['seed']}: {words}"
        terminalreporter.write_line(line)
    if path := config.getoption("--faults-report"):
        path.write_text(as_page(done, head=HEADS[path.stem], counts=config.getoption("--faults")))


def as_page(done: list[dict[str, Any]], *, head: str, counts: str) -> str:
    """What was done, as a page of docs/."""
    failed = sum(entry["outcome"] != "passed" for entry in done)
    seconds = sum(entry["seconds"] for entry in done)
    summary = f"{len(done)} tests with {counts} counts, {failed} failed, {seconds / 60:.1f} minutes."
    parts = [head, f"{datetime.now(UTC):%Y-%m-%d}, {machine()}. {summary}"]
    for path, entries in groupby(done, lambda entry: str(entry["test"]).partition("::")[0]):
        told = list(entries)
        parts.append(f"## {Path(path).stem.removeprefix('test_').replace('_', ' ').capitalize()}")
        parts.append(as_table([as_row(entry) for entry in told if entry["lines"] or not entry["rows"]]))
        parts.append(as_table([row for entry in told for row in entry["rows"]]))
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def in_words(cells: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in cells.items())


def as_row(entry: dict[str, Any]) -> dict[str, str]:
    """What one test did."""
    test = str(entry["test"]).partition("::")[2]
    return {
        "test": test.removeprefix("test_").replace("_", " "),
        "done": "; ".join(entry["lines"]),
        "seed": str(entry["seed"]),
        "s": f"{entry['seconds']:.1f}",
        "result": entry["outcome"],
    }


def as_table(rows: list[dict[str, str]]) -> str:
    """Rows of the same columns, in Markdown."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def machine() -> str:
    """The machine in a few words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    is_mysql = "mysql" in os.environ.get("DATABASE_URL", "") or os.environ.get("TEST_DATABASE") == "mariadb"
    database = "MariaDB" if is_mysql else "SQLite"  # pytest-xdist's controller has none itself
    return f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}, {database}"
