"""A copy of the checkout has what its user sees there, and what is written into it stays in it."""

import subprocess
from pathlib import Path

import pytest

from lab.checkout import copy_checkout

IGNORED = {".env", "var/kept.json", ".venv/bin/python"}
FILES = {"manage.py", "docs/a page.md", "orders-private.pem", ".gitignore", *IGNORED}


@pytest.fixture(params=["git", "no git"])
def checkout(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = tmp_path / "checkout"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name}\n")
    (root / ".gitignore").write_text("/.env\n/var/\n/.venv\n")
    if request.param == "git":
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        subprocess.run(["git", "add", "manage.py", "docs", ".gitignore"], cwd=root, check=True)
    return root


def texts(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_copy_has_what_is_known_and_what_is_new_and_nothing_of_this_machine(checkout: Path, tmp_path: Path) -> None:
    copy_checkout(tmp_path / "copy", checkout)

    there = texts(checkout)
    assert texts(tmp_path / "copy") == {name: there[name] for name in FILES - IGNORED}
