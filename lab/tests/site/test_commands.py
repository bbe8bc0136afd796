"""The commands of the documentation are run, and print what the pages say."""

import json
import re
import subprocess
import sys

import pytest

from lab.links import ROOT, pages
from lab.site import commands
from lab.site.blocks import Block, blocks
from lab.site.sources import DOCS, READMES

pytestmark = pytest.mark.once

PLACE = re.compile(r"`([^`]+)`")
MINE = ("README.md", "orders-private.pem", "docs/start.md", "var/shop.sqlite3")  # of whoever runs the commands
TRANSLATED = [(READMES["en"], READMES["zh"]), *((DOCS / page.name, page) for page in (DOCS / "zh").glob("*.md"))]
PAGE = """
```sh
echo one
```

```text
one
```

<!-- not run: stays -->
```sh
sleep 1000
```

```sh
echo two
```
"""


@pytest.mark.long
@pytest.mark.slow
def test_commands_of_the_documentation_print_what_it_says():
    done = subprocess.run([sys.executable, "-m", "lab.site.commands"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(commands.english())} pages were run, with 0 differences" in done.stdout


def test_commands_were_noted_as_they_are_now():
    noted = {name: ran["commands"] for name, ran in json.loads(commands.RAN.read_text()).items()}

    assert noted == {name: commands.digest(page) for name, page in commands.english().items()}, (
        "changed since they were run: python -m lab.site.commands --note"
    )


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_commands_is_read_and_who_runs_it_instead_is_there(page):
    found = blocks(page)

    assert len(found) == page.read_text().count("\n```sh\n")
    assert [place for block in found for place in PLACE.findall(block.why) if not (ROOT / place).exists()] == []


@pytest.mark.parametrize(("english", "chinese"), TRANSLATED, ids=[page.name for page, _ in TRANSLATED])
def test_chinese_page_leaves_out_the_same_commands(english, chinese):
    assert [bool(block.why) for block in blocks(chinese)] == [bool(block.why) for block in blocks(english)]


def test_blocks_have_what_they_print_and_why_they_are_not_run(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    assert blocks(page) == [
        Block("echo one\n", printed="one\n"),
        Block("sleep 1000\n", why="stays"),
        Block("echo two\n"),
    ]


@pytest.mark.parametrize(
    ("printed", "output", "is_the_same"),
    [
        ("7 left, …, 2 sold", "noise 16 left, 3 reserved,\n 4 sold", True),
        ("paid", "unpaid is not paid", True),
        ("7 left", "none left", False),
        ("one\ntwo", "two\none", False),
        ("(a.c)", "(abc)", False),
        ("", "anything", True),
    ],
)
def test_numbers_and_spaces_may_differ_and_nothing_else(printed, output, is_the_same):
    assert bool(commands.pattern(printed).search(output)) is is_the_same


def test_what_commands_write_stays_in_their_work_folder(tmp_path):
    for name in (*MINE, ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")

    with commands.work_folder(tmp_path) as folder:
        for name in MINE:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("written by a command")
        python = (folder / ".venv" / "bin" / "python").read_text()

    assert {(tmp_path / name).read_text() for name in MINE} == {"mine"}
    assert python == "mine"
    assert not folder.exists()
