"""The words keep up with the code: what the code has is named, what the words name is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands

from charites.common.errors import ServiceError
from charites.common.rest import error_status
from charites.common.rpc import STATUS
from deploy import draw_tables
from deploy.document_settings import MEANINGS
from messaging.registry import list_topics
from orders.services import TIMEOUT_TASK
from stock.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[2]
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
OUR_APPS = ("charites", "charites_common", "goods", "stock", "orders", "messaging")

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What stands on the machine of whoever wrote a file, and what only that machine installs from.
MACHINE = re.compile(r"/(?:root|work|home/\w+|Users/\w+)/|(?:index-url|trusted-host|find-links|INDEX_URL|GOPROXY)\s*=")
PICTURES = {".png", ".svg", ".mo"}


def tracked() -> list[Path]:
    """Returns the files of the repository."""
    # The checkout of a CI may belong to another user, which git otherwise refuses.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def pages() -> list[Path]:
    """Returns all documents of the repository."""
    top = ROOT.glob("*.md")
    return sorted([*top, *(ROOT / "docs").rglob("*.md")])


def prose(page: Path) -> str:
    """Returns a page without its blocks of code."""
    return FENCED.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ .*$", prose(page), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Returns the names by which GitHub links to the headings of a page."""
    titles = [heading.lstrip("# ").lower() for heading in headings(page)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def our_commands() -> set[str]:
    packages = {apps.get_app_config(label).name for label in OUR_APPS}
    return {name for name, package in get_commands().items() if package in packages}


def make_targets() -> list[str]:
    return re.findall(r"^([a-z-]+): ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path.replace("\\", "")).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


# What the code has is named


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_readme_names_every_command_of_manage_py(page):
    text = page.read_text()

    assert our_commands() >= {"seed", "audit", "sweep", "grpcserver"}
    assert [name for name in sorted(our_commands()) if f"| `{name}`" not in text and f", `{name}`" not in text] == []


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_readme_names_every_target_of_the_makefile(page):
    text = page.read_text()

    assert "run" in make_targets()
    assert [name for name in make_targets() if f"`make {name}`" not in text] == []


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_readme_names_every_strategy_topic_and_task(page):
    text = page.read_text()
    topics = list_topics()

    assert topics
    assert [name for name in STRATEGIES if f"| `{name}` |" not in text] == []
    assert [name for name in (*topics, TIMEOUT_TASK) if f"`{name}`" not in text] == []


def errors_of(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for error in base.__subclasses__():
        yield error
        yield from errors_of(error)


def test_errors_are_listed_with_their_number_and_statuses():
    ours = [e for e in errors_of(ServiceError) if ".tests" not in e.__module__]  # tests make their own
    expected = {
        f"| {e.code} | `{e.__name__}` | {int(error_status(e.__new__(e)))} | `{STATUS[e.kind].name}` |" for e in ours
    }

    listed = re.findall(r"^(\| \d+ \| .*? \| \d+ \| .*? \|)", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)

    assert len(listed) == len(set(listed))
    assert set(listed) == expected


# What the words name is there


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page):
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page):
    named = re.findall(r"`([\w./]+/[\w.]+\.(?:py|proto|html|po|txt|toml|yml|json|svg))`", prose(page))
    paths = [str(path.relative_to(ROOT)) for path in tracked()]

    assert [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in paths)] == []


def test_documents_that_the_code_names_exist():
    code = [path.read_text() for path in tracked() if path.suffix in (".py", ".proto")]
    named = {name for text in code for name in re.findall(r"\bdocs/[\w/.-]+\.md\b", text)}

    assert len(named) > 4
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_readme_names_functions_that_are_in_the_file_beside_them(page):
    rows = re.findall(r"^\| (\[.*?\.py\)) \| (`.*?`) \|", page.read_text(), re.MULTILINE)

    assert len(rows) >= 8
    for files, names in rows:
        code = "".join((ROOT / path).read_text() for path in LINK.findall(files))
        words = [word for name in re.findall(r"`(.*?)`", names) for word in name.split(".")]
        assert [word for word in words if not re.search(rf"(?:def|class) {word}\b", code)] == [], files


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_readme_names_settings_that_exist(page):
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", prose(page)))

    assert named - set(MEANINGS) - {"INSTALLED_APPS"} == set()
    assert "DATABASE_URL" in named


# Two languages


def test_chinese_readme_has_the_same_structure():
    levels = [heading.split(" ")[0] for heading in headings(README)]

    assert [heading.split(" ")[0] for heading in headings(CHINESE)] == levels


def test_chinese_readme_has_the_same_code():
    assert FENCED.findall(CHINESE.read_text()) == FENCED.findall(README.read_text())


def test_chinese_readme_has_the_same_tables_and_links():
    def shape(page: Path) -> list[int]:
        return [line.count("|") for line in prose(page).splitlines() if line.startswith("|")]

    def targets(page: Path) -> list[str]:
        return sorted(link for link in LINK.findall(prose(page)) if not link.startswith(("#", "README")))

    assert shape(CHINESE) == shape(README)
    assert targets(CHINESE) == targets(README)


# The drawing, and what no file may hold


def test_drawing_of_the_tables_is_what_the_models_say():
    assert draw_tables.DRAWING.read_text() == draw_tables.draw(), "stale: make gen"


def test_drawing_shows_every_table():
    tables = {model._meta.db_table for label in OUR_APPS for model in apps.get_app_config(label).get_models()}

    assert set(draw_tables.lay_out().tables) == tables


def test_drawing_shows_every_column_and_every_link():
    layout = draw_tables.lay_out()
    drawing = draw_tables.draw()

    for table in layout.tables.values():
        shown = {own.column for own in table.columns} | set(draw_tables.common_columns(table.model))
        assert shown == {own.column for own in table.model._meta.local_concrete_fields}
        assert [own.column for own in table.columns if f">{own.column}</text>" not in drawing] == []
    assert {(link.source, link.column) for link in draw_tables.links(layout)} >= {
        ("shopping_order_detail", "goods_id"),
        ("shopping_stock_record", "order_id"),
        ("shopping_refund", "payment_id"),
    }


def test_no_file_names_the_machine_that_it_was_written_on():
    found = {}
    for path in tracked():
        if path.suffix not in PICTURES and (match := MACHINE.search(path.read_text())):
            found[str(path.relative_to(ROOT))] = match.group()

    assert found == {}
