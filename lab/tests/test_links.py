"""The search for words that lead nowhere, on pages of its own."""

from pathlib import Path

import pytest

from lab import links


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "stock" / "strategies").mkdir(parents=True)
    (tmp_path / "stock" / "strategies" / "naive.py").write_text("")
    (tmp_path / "lab" / "servers").mkdir(parents=True)
    (tmp_path / "lab" / "servers" / "__main__.py").write_text("")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# The shop: its house\n")
    return tmp_path


def write(checkout: Path, text: str) -> Path:
    page = checkout / "docs" / "page.md"
    page.write_text(text)
    return page


@pytest.mark.parametrize(
    "link",
    ["../stock/strategies/naive.py", "../README.md#the-shop-its-house", "../stock", "https://shop.example/x", "#here"],
)
def test_link_that_leads_somewhere_is_passed_over(checkout: Path, link: str) -> None:
    page = write(checkout, f"# Here\n[words]({link})\n")

    assert list(links.broken_links(page)) == []


@pytest.mark.parametrize("link", ["stock/strategies/naive.py", "../README.md#elsewhere", "../goods", "#there"])
def test_link_that_leads_nowhere_is_named(checkout: Path, link: str) -> None:
    page = write(checkout, f"# Here\n[words]({link})\n")

    assert list(links.broken_links(page)) == [link]


def test_files_are_looked_for_from_the_top_and_from_further_inside(checkout: Path) -> None:
    page = write(
        checkout,
        "`stock/strategies/naive.py`, `strategies/naive.py`, `naive.py`, `stock/strategies/`, `var/race.html`\n",
    )

    assert list(links.missing_files(page, checkout)) == []


@pytest.mark.parametrize("name", ["stock/naive.py", "aive.py", "stock/race/", "strategies/naive.pyi", "tables.svg"])
def test_file_that_is_not_there_is_named(checkout: Path, name: str) -> None:
    page = write(checkout, f"Run `.venv/bin/python {name} --check`.\n")

    assert list(links.missing_files(page, checkout)) == [name]


def test_words_that_are_no_files_are_passed_over(checkout: Path) -> None:
    page = write(
        checkout,
        "`/api/docs`, `application/json`, `orders/s`, `<app>.proto`, `1.5`, `images/*.svg`\n```\ngone.py\n```\n",
    )

    assert list(links.missing_files(page, checkout)) == []


def test_programs_are_looked_for_in_blocks_of_code_too(checkout: Path) -> None:
    page = write(
        checkout, "`python -m lab.servers`\n```\n.venv/bin/python -m lab.race --json\npython -m venv .venv\n```\n"
    )

    assert list(links.missing_programs(page, checkout)) == ["python -m lab.race"]


def test_page_of_the_kit_names_every_helper() -> None:
    kit = links.ROOT / "lab" / "kit"

    named = set(links.LINK.findall((kit / "README.md").read_text()))
    helpers = {str(path.relative_to(kit)) for path in kit.rglob("*.py") if path.name != "__init__.py"}
    assert helpers - named == set()
