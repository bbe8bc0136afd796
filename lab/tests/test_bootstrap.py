"""A machine on which something is missing gets one sentence that says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.setup import bootstrap as program

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.once


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a link instead of `.venv`'s packages, so that nothing is downloaded."""
    (tmp_path / "lab" / "setup").mkdir(parents=True)
    shutil.copy2(ROOT / "lab" / "setup" / "bootstrap.py", tmp_path / "lab" / "setup")
    for name in ("requirements-embedded.txt", "requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def fake_python(folder: Path, *, version: str = "3 12", has_venv: bool = True) -> Path:
    """A program that answers what bootstrap.py asks a Python for."""
    program = folder / "fake-python"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in\n*ensurepip*) exit {0 if has_venv else 1};;\n*version_info*) echo {version};;\n'
        f'*) exec {sys.executable} "$@";;\nesac\n'
    )
    program.chmod(0o755)
    return program


def bootstrap(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "lab" / "setup" / "bootstrap.py")]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600)


def test_bootstrap_with_an_old_python_says_which_is_needed(checkout):
    done = bootstrap(checkout, PYTHON=str(fake_python(checkout, version="3 9")))

    assert done.returncode == 1
    assert done.stderr == f"charites: PYTHON={checkout}/fake-python is Python 3.9; Python 3.11 or newer is needed.\n"
    assert not (checkout / ".venv").exists()


def test_bootstrap_without_the_venv_module_names_the_package(checkout):
    done = bootstrap(checkout, PYTHON=str(fake_python(checkout, has_venv=False)))

    assert done.returncode == 1
    assert done.stderr == (
        "charites: Python 3.12 here comes without its venv module: install it (Debian, Ubuntu: apt-get install "
        "python3.12-venv) and run this again.\n"
    )


@pytest.mark.long
@pytest.mark.slow
def test_bootstrap_makes_a_broken_venv_anew_and_then_does_nothing_until_a_requirement_changes(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    first = bootstrap(checkout)

    second = bootstrap(checkout)
    (checkout / "requirements-embedded.txt").write_text("# changed\n")
    third = bootstrap(checkout)

    assert [done.returncode for done in (first, second, third)] == [0, 0, 0]
    assert "Creating .venv" in first.stdout
    assert (checkout / ".venv" / "bin" / "pip").exists()
    assert second.stdout == ""
    assert third.stdout.startswith("Installing the packages of requirements-embedded.txt")


def test_level_is_installed_anew_when_what_stands_alone_changes(checkout, monkeypatch):
    monkeypatch.setattr(program, "ROOT", checkout)
    for name in (*program.FILES["test"], *program.ALONE["test"]):
        (checkout / name).write_text("")
    before = program.digest("test"), program.digest("dev")

    (checkout / "requirements-alone.txt").write_text("# changed\n")

    assert program.digest("test") != before[0]
    assert program.digest("dev") == before[1]


@pytest.mark.long
def test_uv_installs_where_it_is_there(checkout, tmp_path):
    (tmp_path / "bin").mkdir()
    uv = tmp_path / "bin" / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    uv.chmod(0o755)

    done = bootstrap(checkout, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")

    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:4] == ["pip", "install", "--python", f"{checkout}/.venv/bin/python"]
    assert asked[-3:] == ["--requirement", f"{checkout}/requirements-embedded.txt", "--quiet"]
