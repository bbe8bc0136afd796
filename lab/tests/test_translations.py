"""The check of the Chinese texts: what it says about a catalogue that is not in order."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.generate.translations import CATALOGUE, ROOT, check, without_date

needs_gettext = pytest.mark.skipif(not shutil.which("msgfmt"), reason="needs gettext")
UNTRANSLATED = '\nmsgid "a text that is new"\nmsgstr ""\n'
GUESSED = '\n#, fuzzy\nmsgid "a text that is new"\nmsgstr "猜测"\n'
TRANSLATED = '\nmsgid "a text that is new"\nmsgstr "新的文本"\n'


def fresh_catalogue(folder: Path, further: str = "") -> Path:
    """A catalogue as it would come out of the code: ours, and further entries."""
    catalogue = folder / "django.po"
    catalogue.write_text((ROOT / CATALOGUE).read_text() + further)
    return catalogue


def test_without_gettext_it_says_how_to_install_it() -> None:
    command = [sys.executable, "-m", "lab.generate.translations", "--check"]

    done = subprocess.run(command, cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("gettext is not installed")
    assert "apt-get install gettext" in done.stderr


@needs_gettext
def test_catalogue_that_says_what_the_code_says_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(fresh_catalogue(tmp_path)) == 0
    assert capsys.readouterr().out == ""


@needs_gettext
@pytest.mark.parametrize(
    ("further", "complaint"),
    [(UNTRANSLATED, "a text that is new"), (GUESSED, "a text that is new"), (TRANSLATED, "stale: make gen")],
    ids=["untranslated", "guessed", "stale"],
)
def test_catalogue_that_is_not_in_order_fails_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], further: str, complaint: str
) -> None:
    assert check(fresh_catalogue(tmp_path, further)) == 1
    assert complaint in capsys.readouterr().out


def test_time_of_collection_is_removed(tmp_path: Path) -> None:
    catalogue = tmp_path / "django.po"
    catalogue.write_text('msgid ""\nmsgstr ""\n"POT-Creation-Date: 2026-01-01 00:00+0000\\n"\n"Language: zh_Hans\\n"\n')

    without_date(catalogue)

    assert catalogue.read_text() == 'msgid ""\nmsgstr ""\n"Language: zh_Hans\\n"\n'
