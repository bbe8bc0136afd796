"""The site of the documentation: every link leads somewhere, nothing comes from elsewhere, Chinese is found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.links import ROOT, pages
from lab.site import sources
from lab.site.blocks import ASIDE, with_reasons
from lab.site.diagrams import FOLDER, diagrams, with_pictures
from lab.site.search import words
from lab.site.sources import NOT_TRANSLATED, READMES, Site

pytestmark = pytest.mark.once

HREF = re.compile(r' href="([^"#?:/][^"#?:]*)["#?]')  # relative ones
OF_THE_THEME = re.compile(r">\s*(Back to top|Home|Made with|Next|On this page|Previous|Skip to content)\s*<")
NOBODYS = "of-nobody"
FETCHED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^"']+""")


@pytest.mark.long
@pytest.mark.slow
def test_site_is_made_without_a_warning_and_fetches_nothing(tmp_path):
    site, beside = tmp_path / "public", tmp_path / "public-sources" / "en" / "letter.txt"
    beside.parent.mkdir(parents=True)
    beside.write_text("mine")

    done = make_site("public", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert (site / "index.html").as_uri() in done.stdout
    assert f"python3 -m http.server --bind 127.0.0.1 --directory {site} 8001" in done.stdout
    assert beside.read_text() == "mine"
    made = {str(page.relative_to(site).with_suffix("")) for page in site.rglob("*.html")}
    assert made >= {"index", "start", "adr/0001-web-server", "project/changelog", "zh/index", "zh/layers", "zh/tables"}
    assert [found for page in site.rglob("*.html") for found in FETCHED.findall(page.read_text())] == []
    assert lost_links(site) == []
    assert NOT_TRANSLATED in (site / "zh" / "tables.html").read_text()
    assert NOT_TRANSLATED not in (site / "zh" / "layers.html").read_text()
    assert OF_THE_THEME.findall((site / "layers.html").read_text())
    assert OF_THE_THEME.findall((site / "zh" / "layers.html").read_text()) == []


def make_site(into: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab.site", "--into", into]
    return subprocess.run(command, cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def lost_links(site: Path) -> list[str]:
    """The links between files of a site that lead nowhere, the switch of the language among them."""
    return [
        f"{page.relative_to(site)}: {link}"
        for page in site.rglob("*.html")
        for link in sorted(set(HREF.findall(page.read_text())))
        if not (page.parent / link).exists()
    ]


@pytest.mark.slow
def test_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")

    done = make_site(".", cwd=tmp_path)

    assert done.returncode == 1
    assert "holds something else" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_every_document_is_in_the_site():
    assert set(pages()) <= set(Site("en").names)


def test_page_in_no_section_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "pages", lambda: [ROOT / "docs" / f"{NOBODYS}.md"])

    with pytest.raises(ValueError, match=f"in no section of docs/site.toml: docs/{NOBODYS}.md"):
        Site("en").lay_out(tmp_path / "sources")


@pytest.mark.parametrize(
    ("language", "prose", "expected"),
    [
        ("en", "[the words](docs/glossary.md)", "[the words](/glossary.md)"),
        ("en", "[settings](docs/own-servers.md#settings)", "[settings](/own-servers.md#settings)"),
        ("zh", "[settings](docs/own-servers.md#settings)", "[settings](/own-servers.md#设置)"),
        ("en", "[elsewhere](https://shop.example/)", "[elsewhere](https://shop.example/)"),
        ("en", "[below](#a-first-order)", "[below](#a-first-order)"),
        ("en", "[stock/strategies/](stock/strategies)", "`stock/strategies`"),
        ("en", "[`test[one]`](stock/apps.py)", "`test[one]` (`stock/apps.py`)"),
        ("en", "![race](docs/race.svg)", "![race](/race.svg)"),
        ("en", '<img src="docs/pictures/story.webp">', '<img src="/pictures/story.webp">'),
    ],
)
def test_link_of_the_checkout_becomes_one_of_the_site(language, prose, expected):
    assert Site(language).with_links(prose, READMES["en"]) == expected


def test_file_of_the_code_is_linked_to_where_it_can_be_read():
    site = Site("en", repository_url="https://code.example/charites/")

    assert (
        site.with_links("[here](stock/apps.py)", READMES["en"]) == "[here](https://code.example/charites/stock/apps.py)"
    )


def test_page_without_a_translation_is_english_in_the_chinese_site():
    site = Site("zh")

    assert site.version(ROOT / "docs" / "glossary.md") == ROOT / "docs" / "zh" / "glossary.md"
    assert site.version(ROOT / "docs" / "tables.md") == ROOT / "docs" / "tables.md"


@pytest.mark.parametrize(
    ("language", "said", "why"),
    [
        ("en", "that are run: 1 of 3, last on 20", "Not run for this page: `lab/tests/test_tour.py` runs it."),
        (
            "zh",
            "3 个命令块中运行了 1 个，最近一次运行于 20",
            "此命令块未随本页运行：由 `lab/tests/test_tour.py` 运行。",
        ),
    ],
    ids=["en", "zh"],
)
def test_page_says_how_many_of_its_commands_were_run_and_why_others_were_not(language, said, why):
    site = Site(language)

    page = site.page(READMES[language])

    assert said in page.splitlines()[-1]
    assert f"```sh\nmake tour\n```\n\n{ASIDE}{why}\n" in page
    assert said not in site.page(ROOT / "docs" / "tables.md")


def test_reason_stands_below_what_the_commands_print():
    page = "<!-- not run: it does not end -->\n```sh\na\n```\n\n```text\nb\n```\n\n```sh\nc\n```\n"

    shown = with_reasons(page, "Not run: {why}.")

    assert shown == page.replace("b\n```\n", f"b\n```\n\n{ASIDE}Not run: it does not end.\n")


def test_code_is_left_as_it_is():
    assert sources.outside_code("a\n```sh\na\n```\na\n", str.upper) == "A\n```sh\na\n```\nA\n"


def test_diagrams_are_drawn_of_what_the_pages_say():
    assert {file.name for file in FOLDER.glob("*.svg")} == set(diagrams()), "python -m lab.site.diagrams mermaid.min.js"


def test_diagram_that_was_changed_and_not_drawn_fails():
    with pytest.raises(FileNotFoundError, match="was changed and not drawn"):
        with_pictures("```mermaid\nflowchart\n    a --> b\n```\n")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("stock", ["stock"]),
        ("库存", ["库存"]),
        ("直播间", ["直播", "播间"]),
        ("库", ["库"]),
        ("40010008", ["no40010008"]),
        ("24h", ["24h"]),
    ],
)
def test_words_of_the_search(run, expected):
    assert words(run) == expected
