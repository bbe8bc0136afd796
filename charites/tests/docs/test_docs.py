"""The words keep up with the code: what the code has is named, what the words name is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands

from charites.audit.databases import own_database
from charites.audit.run import count_checks
from charites.common.errors import ServiceError
from charites.common.rest import error_status
from charites.common.rpc import status_code
from lab.generate import table_diagram
from lab.generate.document_settings import MEANINGS
from lab.links import (
    ELSEWHERE,
    FENCED,
    LINK,
    broken_links,
    files,
    headings,
    missing_files,
    missing_programs,
    pages,
    prose,
)
from messaging.registry import list_topics
from orders.services import TIMEOUT_TASK
from stock.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
README_WORDS = 1500
# A page in English and in Chinese.
TRANSLATED = [(README, CHINESE)] + [(DOCS / page.name, page) for page in sorted((DOCS / "zh").glob("*.md"))]


def both(name: str) -> pytest.MarkDecorator:
    """Runs a test for a page of docs/, and for its Chinese version."""
    pages = [DOCS / name, DOCS / "zh" / name]
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(DOCS)))


translated = pytest.mark.parametrize(("english", "chinese"), TRANSLATED, ids=[page.name for page, _ in TRANSLATED])
OUR_APPS = ("charites", "charites_common", "goods", "stock", "orders", "messaging", "lab")

# A document, or any file between backticks: by its path, from the top or from further inside.
NAMED_IN_CODE = re.compile(r"\bdocs/[\w/.-]+\.md\b|(?<=`)[\w.-]+/[\w/.-]+\.[a-z]+(?=`)")

# What stands on the machine of whoever wrote a file, and what only that machine installs from.
MACHINE = re.compile(r"/(?:root|work|home/\w+|Users/\w+)/|(?:index-url|trusted-host|find-links|INDEX_URL|GOPROXY)\s*=")
PICTURES = {".png", ".svg", ".ico", ".webp", ".mo"}


def tracked() -> list[Path]:
    """Returns the files of the repository."""
    # The checkout of a CI may belong to another user, which git otherwise refuses.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def our_commands() -> set[str]:
    packages = {apps.get_app_config(label).name for label in OUR_APPS}
    return {name for name, package in get_commands().items() if package in packages}


def make_targets() -> list[str]:
    return re.findall(r"^([a-z-]+): ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


# What the code has is named


@both("commands.md")
def test_page_of_commands_names_every_command_of_manage_py(page):
    text = page.read_text()

    assert our_commands() >= {"seed", "audit", "sweep", "grpcserver"}
    assert [name for name in sorted(our_commands()) if f"| `{name}`" not in text and f", `{name}`" not in text] == []


@both("commands.md")
def test_page_of_commands_names_every_target_of_the_makefile(page):
    text = page.read_text()

    assert "run" in make_targets()
    assert [name for name in make_targets() if f"`make {name}`" not in text] == []


@both("commands.md")
def test_page_of_commands_names_every_topic_and_task(page):
    topics = list_topics()

    assert topics
    assert [name for name in (*topics, TIMEOUT_TASK) if f"`{name}`" not in page.read_text()] == []


@pytest.mark.django_db
@both("start.md")
def test_tour_on_the_first_page_counts_the_rules_of_the_audit(page):
    assert f"\n{count_checks([own_database()])} rules hold." in page.read_text()


@both("layers.md")
def test_page_of_layers_names_every_strategy(page):
    assert [name for name in STRATEGIES if f"| `{name}` |" not in page.read_text()] == []


def errors_of(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for error in base.__subclasses__():
        yield error
        yield from errors_of(error)


def test_errors_are_listed_with_their_number_and_statuses():
    ours = [e for e in errors_of(ServiceError) if ".tests" not in e.__module__]  # tests make their own
    expected = {
        f"| {e.code} | `{e.slug}` | {int(error_status(e.__new__(e)))} | `{status_code(e.__new__(e)).name}` |"
        for e in ours
    }

    listed = re.findall(r"^(\| \d+ \| .*? \| \d+ \| .*? \|)", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)

    assert len(listed) == len(set(listed))
    assert set(listed) == expected


# What the words name is there


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_files_and_programs_that_a_page_names_are_there(page):
    assert [*broken_links(page), *missing_files(page), *missing_programs(page)] == []


def test_files_that_the_code_names_are_there():
    code = [path.read_text() for path in tracked() if path.suffix in (".py", ".proto")]
    named = {name for text in code for name in NAMED_IN_CODE.findall(text) if name.split("/")[0] not in ELSEWHERE}

    assert len(named) > 20
    assert [name for name in sorted(named) if f"/{name}\n" not in files(ROOT)] == []


@both("layers.md")
def test_page_of_layers_names_functions_that_are_in_the_file_beside_them(page):
    rows = re.findall(r"^\| (\[.*?\.py\)) \| (`.*?`) \|", page.read_text(), re.MULTILINE)

    assert len(rows) >= 8
    for linked, names in rows:
        code = "".join((page.parent / path).read_text() for path in LINK.findall(linked))
        words = [word for name in re.findall(r"`(.*?)`", names) for word in name.split(".")]
        assert [word for word in words if not re.search(rf"(?:def|class) {word}\b", code)] == [], linked


@pytest.mark.parametrize("page", [DOCS / "own-servers.md", DOCS / "zh" / "own-servers.md"], ids=lambda page: page.name)
def test_page_names_settings_that_exist(page):
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", prose(page)))

    assert named - set(MEANINGS) - {"INSTALLED_APPS"} == set()
    assert "DATABASE_URL" in named


# Two languages


@translated
def test_chinese_page_has_the_same_structure(english, chinese):
    levels = [heading.split(" ")[0] for heading in headings(english)]

    assert [heading.split(" ")[0] for heading in headings(chinese)] == levels


@translated
def test_chinese_page_has_the_same_code(english, chinese):
    assert FENCED.findall(chinese.read_text()) == FENCED.findall(english.read_text())


@translated
def test_chinese_page_has_the_same_tables_and_links(english, chinese):
    def shape(page: Path) -> list[int]:
        return [line.count("|") for line in prose(page).splitlines() if line.startswith("|")]

    def targets(page: Path) -> list[Path]:
        """Returns the files that a page links to; those in Chinese as the English ones that they are."""
        links = [link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link]
        files = [(page.parent / link).resolve() for link in links if link and not link.startswith("README")]
        return sorted(DOCS / file.name if file.parent == DOCS / "zh" else file for file in files)

    assert shape(chinese) == shape(english)
    assert targets(chinese) == targets(english)


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_readme_is_short(page):
    words = re.findall(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+", page.read_text())

    assert len(words) <= README_WORDS, "what is told further goes into docs/"


# The diagram, and what no file may hold


def test_diagram_of_the_tables_is_what_the_models_say():
    assert table_diagram.PAGE.read_text() == table_diagram.draw(), "stale: make gen"


def test_diagram_shows_every_table_with_every_column():
    page = table_diagram.draw()
    tables = dict(re.findall(r"^    (\w+) \{\n(.*?)^    \}$", page, re.MULTILINE | re.DOTALL))
    models = {model._meta.db_table: model for label in OUR_APPS for model in apps.get_app_config(label).get_models()}

    assert set(tables) == set(models)
    for table, model in models.items():
        shown = set(re.findall(r"^ {8}\S+ (\w+)", tables[table], re.MULTILINE))
        (common,) = re.findall(rf"^\| `{table}` \| `\S+` \| (.*?) \|", page, re.MULTILINE)
        listed = set(table_diagram.COMMON) if common == "all seven" else set(re.findall(r"\w+", common))
        assert shown | listed == {column.column for column in model._meta.local_concrete_fields}


def test_diagram_shows_the_ids_that_link_the_tables():
    lines = re.findall(r"^    (\w+) (\S+) (\w+) : (\w+)$", table_diagram.draw(), re.MULTILINE)

    assert set(lines) >= {
        ("shopping_goods", "||--o{", "shopping_order_detail", "goods_id"),
        ("shopping_order", "||--o{", "shopping_stock_record", "order_id"),
        ("shopping_payment", "||--o{", "shopping_refund", "payment_id"),
        ("shopping_room", "|o--o{", "shopping_order", "room_id"),
    }
    assert all(one != many for one, _, many, _ in lines)


def test_no_file_names_the_machine_that_it_was_written_on():
    found = {}
    for path in tracked():
        if path.suffix not in PICTURES and (match := MACHINE.search(path.read_text())):
            found[str(path.relative_to(ROOT))] = match.group()

    assert found == {}
