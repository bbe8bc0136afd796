"""Folders of processes: a living one keeps its own, that of a killed one is removed by the next."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from charites.common.folders import OWNER, own_folder

ANOTHER = """
from charites.common.folders import own_folder
with own_folder("shop-") as folder:
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def another(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process with a folder, and the folder."""
    environment = {**os.environ, "TMPDIR": str(place)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", ANOTHER], env=environment, text=True, **pipes)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_folder_ends_with_its_block(place: Path) -> None:
    with own_folder("shop-") as folder:
        (folder / "config").write_text("x")
        assert sorted(found.name for found in folder.iterdir()) == ["config", OWNER]

    assert list(place.iterdir()) == []


def test_folder_of_a_living_process_stays_and_of_a_killed_one_goes(place: Path) -> None:
    (living, kept), (killed, left) = another(place), another(place)
    killed.kill()
    killed.communicate()
    assert left.exists()

    with own_folder("shop-") as own:
        assert sorted(place.iterdir()) == sorted([kept, own])
    living.communicate("\n")

    assert living.returncode == 0
    assert list(place.iterdir()) == []


def test_what_no_process_owned_is_left_alone(place: Path) -> None:
    elsewhere = place / "elsewhere"
    for folder in (elsewhere, place / "shop-without-owner", place / "other-shop"):
        folder.mkdir()
    (elsewhere / OWNER).touch()
    (place / "other-shop" / OWNER).touch()
    (place / "shop-link").symlink_to(elsewhere)
    before = sorted(place.rglob("*"))

    with own_folder("shop-"):
        pass

    assert sorted(place.rglob("*")) == before


def test_of_another_user_nothing_is_removed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = place / "shop-left"
    left.mkdir()
    (left / OWNER).touch()

    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with own_folder("shop-"):
        pass
    assert left.exists()

    monkeypatch.setattr(os, "geteuid", lambda: user)
    with own_folder("shop-"):
        pass
    assert not left.exists()
