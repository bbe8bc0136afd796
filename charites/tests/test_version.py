"""The version stands in one place, and is told wherever somebody looks for it."""

import subprocess
import sys
import tomllib
from pathlib import Path

from django import get_version
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from charites.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_version_is_told_by_the_process_the_schema_and_the_command() -> None:
    command = [sys.executable, "manage.py", "version"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert Client().get("/livez").json() == {"status": "alive", "version": VERSION}
    assert SchemaGenerator().get_schema(request=None, public=True)["info"]["version"] == VERSION
    assert told == f"charites {VERSION}, Django {get_version()}\n"


def test_client_has_the_version_of_the_api() -> None:
    project = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION


def test_changelog_has_the_version() -> None:
    assert f"\n## [{VERSION}] - 2" in (ROOT / "CHANGELOG.md").read_text()
