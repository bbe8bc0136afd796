"""What is publicly known against the packages that production installs: `python -m lab.supply.vulnerabilities`.

pip-audit asks; exit code 1 when it knows of something. Where its data cannot be reached nothing is checked, and the
last line says so: that is not the same as nothing being known.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-build.lock")
TIMEOUT_SECONDS = 600


class Report(NamedTuple):
    """What pip-audit says: a line for each vulnerability, the packages that were looked up, and those that were not."""

    found: list[str]
    checked: list[str]
    unchecked: list[str]


def ask() -> str:
    """Returns what pip-audit answers, as JSON; something else when it fails."""
    locks = [word for lock in LOCKS for word in ("--requirement", str(ROOT / lock))]
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--format", "json", *locks]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )
    return done.stdout


def read(answer: str) -> Report:
    """Sorts an answer; one that is none has checked nothing."""
    try:
        packages: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        packages = []
    checked = [package for package in packages if "skip_reason" not in package]
    return Report(
        found=[line_of(package, known) for package in checked for known in package["vulns"]],
        checked=[package["name"] for package in checked],
        unchecked=[package["name"] for package in packages if package not in checked],
    )


def line_of(package: dict[str, Any], known: dict[str, Any]) -> str:
    """A vulnerability, and the versions without it."""
    better = ", ".join(known.get("fix_versions") or ["none yet"])
    return f"{package['name']} {package['version']}: {known['id']}; mended in: {better}"


def summary(report: Report) -> str:
    """The last line."""
    if not report.checked:
        return "NOT CHECKED: the data about vulnerabilities could not be reached."
    left = f"; not checked: {', '.join(report.unchecked)}" if report.unchecked else ""
    return f"{len(report.checked)} packages checked, {len(report.found)} vulnerabilities{left}."


def main() -> int:
    report = read(ask())
    for line in [*report.found, summary(report)]:
        print(line)
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
