"""`python -m lab.security [words...]`: turns lines of the program wrong, one at a time, in a copy, and demands that the
tests which docs/security.md names fail with it; without it they pass. Words choose the rows that have them.

With 1 it ends when a test stays green, or fails without a mutant.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lab.checkout import copy_checkout
from lab.security.rows import TRANSPORTS, Mutant, Row, Wrong, each, read_parts

SECONDS = 600  # for the tests of one mutant
OWN = {"TEST_DATABASE", "TEST_GRPC", "PYTEST_ADDOPTS"}


class Ground(NamedTuple):
    """What tests run on."""

    database: str
    transport: str = "grpcio"

    def environment(self) -> dict[str, str]:
        own = {"TEST_DATABASE": self.database} if self.database != "sqlite" else {}
        if self.transport != "grpcio":
            own["TEST_GRPC"] = self.transport
        return {name: value for name, value in os.environ.items() if name not in OWN} | own


Tests = dict[Ground, set[str]]


def tests_of(row: Row, doors: Iterable[str]) -> Tests:
    """The tests of doors, by what they run on."""
    found: Tests = {}
    for door in each(set(doors)):
        ground = Ground(row.database, door if door in TRANSPORTS else TRANSPORTS[0])
        found.setdefault(ground, set()).update(row.tests(door))
    return {ground: tests for ground, tests in found.items() if tests}


def failed(folder: Path, ground: Ground, tests: set[str]) -> tuple[set[str], str]:
    """Runs tests, and returns which of them failed, at least in one case, with the last lines of what was said."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}", *sorted(tests)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=ground.environment(),
            capture_output=True,
            text=True,
            errors="replace",  # a test shows whatever a program turned wrong says
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return set(tests), f"over {SECONDS} s"
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    red = {name_of(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}
    green = {name_of(case) for case in cases} - red
    words = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
    bad = {test for test in tests if any(is_case(case, test) for case in red)}
    if silent := {test for test in tests - bad if not any(is_case(case, test) for case in green)}:
        raise Wrong(f"not run: {', '.join(sorted(silent))}\n{words}")
    return bad, words


def name_of(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}::{case.get('name', '')}"


def is_case(case: str, test: str) -> bool:
    """Whether a line of the report is this test, or a case of it."""
    file, _colons, name = test.partition("::")
    module = file.removesuffix(".py").replace("/", ".")
    wanted = f"{module}::{name}"
    return case == wanted or case.startswith(f"{wanted}[")


def survivors(folder: Path, row: Row, mutant: Mutant) -> Iterator[str]:
    """The tests that do not fail with a mutant. Raises Wrong."""
    path = folder / mutant.file
    right = path.read_text()
    path.write_text(mutant.applied(right))
    try:
        for ground, tests in tests_of(row, mutant.fails).items():
            bad, _words = failed(folder, ground, tests)
            yield from (f"{test} ({ground.database}, {ground.transport})" for test in sorted(tests - bad))
    finally:
        path.write_text(right)


def check_green(folder: Path, rows: Iterable[Row]) -> Iterator[str]:
    """Runs all tests of the rows as the program is, and yields those that fail."""
    everything: Tests = {}
    for row in rows:
        for ground, tests in tests_of(row, row.doors).items():
            everything.setdefault(ground, set()).update(tests)
    for ground, tests in everything.items():
        try:
            bad, words = failed(folder, ground, tests)
        except Wrong as wrong:
            yield str(wrong)
        else:
            yield from (
                f"{test} fails without a mutant ({ground.database}, {ground.transport})\n{words}" for test in bad
            )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.security", description=__doc__.partition("\n\n")[0])
    parser.add_argument("words", nargs="*", help="only rows whose input has one of these words; all without")
    chosen = parser.parse_args().words
    # A polite end removes the copy.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    console = Console()
    rows = [
        row for part in read_parts() for row in part.rows if not chosen or any(word in row.input for word in chosen)
    ]
    mutants = [(row, mutant) for row in rows for mutant in row.mutants]
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    findings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="charites-mutants-") as name, Progress(*columns, console=console) as bar:
        folder = Path(name)
        copy_checkout(folder)
        task = bar.add_task("as it is", total=len(mutants))
        findings += check_green(folder, rows)
        for row, mutant in mutants:
            bar.update(task, description=row.input[:40])
            try:
                findings += [
                    f"{row.input}: green though {mutant.turned}: {test}" for test in survivors(folder, row, mutant)
                ]
            except Wrong as wrong:
                findings.append(f"{row.input}: {wrong}")
            bar.advance(task)
    for finding in findings:
        console.print(finding, style="red", markup=False, highlight=False)
    console.print(f"{len(mutants)} mutants in {len(rows)} rows; {len(findings)} findings.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
