"""What production is made of: packages by hash, images by digest, and what is known against them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.supply.image_digests import images_of, pinned
from lab.supply.vulnerabilities import read, summary

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {"requirements.lock": "requirements.txt", "requirements-build.lock": "requirements-build.txt"}
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Package -> version of a requirements file and of those it names."""
    text = (ROOT / name).read_text()
    found: dict[str, str] = {}
    for other in re.findall(r"^-r (\S+)$", text, re.MULTILINE):
        found |= pins(other)
    return found | {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in PIN.findall(text)}


# Packages


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_what_the_requirements_say(lock: str) -> None:
    assert pins(lock) == pins(LOCKS[lock]), "make lock"


def test_lock_installs_on_the_python_of_debian_12() -> None:
    (entry,) = re.findall(r"^async-timeout==.*\n.*", (ROOT / "requirements.lock").read_text(), re.MULTILINE)

    assert re.search(r'; python_full_version < "3.11.3" \\\n +--hash=sha256:[0-9a-f]{64}$', entry)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_hashes_and_nothing_names_a_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[a-z])", text.partition("\n#\n\n")[2] or text)

    assert "://" not in text
    assert "index" not in text
    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_image_is_built_by_hash_alone() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    commands = re.findall(r"pip (?:install|wheel) [^&\n]*", text)

    assert len(commands) == 3
    assert [command for command in commands if not {"--require-hashes", "--no-index"} & set(command.split())] == []


# Vulnerabilities


def answer(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


WELL = {"name": "well", "version": "1", "vulns": []}
ILL = {
    "name": "ill",
    "version": "2",
    "vulns": [{"id": "X-1", "fix_versions": ["3", "4"]}, {"id": "X-2", "fix_versions": []}],
}
SKIPPED = {"name": "unknown", "skip_reason": "not found"}


def test_what_is_known_is_named_with_the_versions_that_mend_it() -> None:
    report = read(answer(WELL, ILL, SKIPPED))

    assert report.found == ["ill 2: X-1; mended in: 3, 4", "ill 2: X-2; mended in: none yet"]
    assert summary(report) == "2 packages checked, 2 vulnerabilities; not checked: unknown."


@pytest.mark.parametrize("said", ["", "no connection", "[]", answer(), answer(SKIPPED)])
def test_data_that_was_not_reached_is_not_taken_for_health(said: str) -> None:
    assert summary(read(said)).startswith("NOT CHECKED")


# Images


IMAGES = """FROM python:3.11-slim AS build
FROM python:3.11-slim
  image: redis:7.2
  image: charites
  image: a/b:1@sha256:"""
FIRST, SECOND = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def test_images_are_pinned_behind_their_tags_and_again_by_newer_ones() -> None:
    text = f"{IMAGES}{'0' * 64}\n"

    assert images_of(text) == ["python:3.11-slim", "redis:7.2", "a/b:1"]
    once = pinned(text, {"python:3.11-slim": FIRST, "a/b:1": SECOND, "redis:7.2": None})
    assert once == (
        f"FROM python:3.11-slim@{FIRST} AS build\nFROM python:3.11-slim@{FIRST}\n  image: redis:7.2\n"
        f"  image: charites\n  image: a/b:1@{SECOND}\n"
    )
    assert pinned(once, {"python:3.11-slim": SECOND}).count(SECOND) == 3


def run_tool(folder: Path, docker: str) -> subprocess.CompletedProcess[str]:
    """Runs the tool on copies of our files, with a `docker` of our own."""
    for name in ("Dockerfile", "compose.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{docker}\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "lab.supply.image_digests", str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_tool_pins_every_image_where_a_registry_answers(tmp_path: Path) -> None:
    done = run_tool(tmp_path, f'[ "$1 $2 $3" = "buildx imagetools inspect" ] && echo {FIRST}')

    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for name in ("Dockerfile", "compose.yaml") for line in (tmp_path / name).read_text().splitlines()]
    named = [line for line in lines if re.match(r"\s*(FROM|image:) [\w.-]+:", line)]
    assert len(named) == 5
    assert [line for line in named if f"@{FIRST}" not in line] == []


@pytest.mark.parametrize("docker", ["exit 1", "echo latest"])
def test_tool_leaves_tags_and_says_so_where_no_registry_answers(tmp_path: Path, docker: str) -> None:
    done = run_tool(tmp_path, docker)

    assert done.returncode == 1
    assert done.stdout.count("NOT ASKED FOR") == 4
    for name in ("Dockerfile", "compose.yaml"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()
