import json
import re
from xml.etree import ElementTree

import pytest
from django.utils import translation

from lab.race import page as layers
from lab.race.pieces import NARROW, WIDE, Panels, draw_pieces
from lab.race.race_plan import Plan
from lab.race.report import as_html
from lab.race.results import OVERSOLD
from lab.tests.race.race_results import race, result

SVG = "{http://www.w3.org/2000/svg}"
RACE = race(
    result("naive", told=["sold"] * 5, column_left=2, expected=OVERSOLD, safe=False),
    result("atomic_update", told=["sold", "sold", "sold", "refused", "refused"]),
)


def headline_of(page):
    (words,) = re.findall(r"<h1>(.*?)</h1>", page)
    return re.sub(r"<.*?>", "", words)


def test_report_needs_no_network():
    page = as_html(RACE)

    assert set(re.findall(r"\w+://[^\s\"'<>)]+", page)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"""<(?:script|link|img|iframe)|@import|url\(|\ssrc=""", page) == []
    assert set(re.findall(r'href="(.)', page)) == {"#"}


def test_report_tells_the_outcome_the_numbers_and_the_machine():
    page = as_html(RACE)

    assert headline_of(page) == "naive oversold by 2. atomic_update was exact."
    assert '<td>naive</td><td class="bad">oversold</td><td>5</td><td>2</td><td>2</td>' in page
    assert "<dt>sync_binlog</dt><dd>1</dd>" in page
    assert "2 cores &lt;&amp;&gt; Linux" in page


def test_headline_names_few_and_counts_many():
    few = [result(name, told=["sold"] * 3) for name in ("a", "b", "c")]
    wrong = [result(name, told=["sold"] * 4, safe=False) for name in ("w", "x", "y", "z")]

    assert headline_of(as_html(race(*few))) == "a, b, c were exact."
    assert headline_of(as_html(race(*few, result("d", told=["sold"] * 3)))) == "4 of 4 were exact."
    assert headline_of(as_html(race(wrong[0]))) == "w oversold by 1. 0 of 1 were exact."
    assert headline_of(as_html(race(*wrong[:2], few[0]))) == "w oversold by 1. x oversold by 1. a was exact."
    assert headline_of(as_html(race(*wrong, few[0]))) == "4 strategies oversold. a was exact."


def test_report_of_a_race_that_was_too_short_tells_no_orders_a_second():
    page = as_html(RACE)

    assert "Orders accepted per second" not in page
    assert "that is too short to tell orders a second" in page
    times = r"<td>0</td><td>5</td><td>2</td><td>2</td><td>(.*?)</td>"  # errors, retries, deadlocks, at once, a second
    assert re.findall(times, page) == ["-", "-"]

    slow = [result(name, told=[*["sold"] * 2, *["refused"] * 150, "sold"]) for name in ("slow", "other")]
    alone, both = as_html(race(*RACE.results, slow[0])), as_html(race(*RACE.results, *slow))

    assert "Orders accepted per second" not in alone  # a bar beside none would look fast
    assert "Orders accepted per second" in both
    assert both.count("too short to tell<") == 4  # two strategies, on a page and on a phone
    assert "Orders per second. slow 2. other 2." in both


def test_report_says_what_an_order_holds():
    def size(**more):
        page = as_html(race(result(told=["sold"] * 3, plan=Plan(stock=9, processes=1, threads=2, **more))))
        return re.findall(r"<dt>one order</dt><dd>(.*?)</dd>", page)

    assert (size(), size(quantity=3)) == (["1 piece"], ["3 pieces"])
    assert size(goods=4) == ["1 piece of each of 2 products"]


def test_report_is_in_the_language_that_is_asked_for():
    with translation.override("zh-hans"):
        page = as_html(RACE)

    assert '<html lang="zh-hans">' in page
    assert "已售" in page  # as elsewhere in the shop
    assert '<td>naive</td><td class="bad">' in page


def test_report_says_where_the_table_goes_on():
    assert "scroll it sideways" in as_html(RACE)


def test_report_follows_the_reader_into_the_dark_and_onto_a_phone():
    page = as_html(RACE)

    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page
    assert page.count(f'width="{NARROW}"') == 1


def test_drawings_of_one_page_share_no_id():
    ids = re.findall(r' id="(.*?)"', as_html(RACE))

    assert ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_lines_end_at_what_is_really_left(width):
    panels = Panels(RACE, width)
    naive, exact = (panels.points(found) for found in RACE.results)

    assert exact[-1][1] == panels.y(0)
    assert naive[-1][1] == panels.y(-2) > panels.y(0)
    assert [y for _x, y in exact] == sorted(y for _x, y in exact)


def test_drawing_that_stands_alone_brings_its_colours_and_words():
    drawing = ElementTree.fromstring(draw_pieces(RACE, alone=True))

    words = [text.text for text in drawing.iter(f"{SVG}text")]
    assert {"naive", "atomic_update", "\u22122", "0", "5 of 3 sold in 0.04 s", "3 of 3 sold in 0.02 s"} <= set(words)
    assert "column: 2 left" in words
    assert "prefers-color-scheme:dark" in drawing.find(f"{SVG}style").text
    assert drawing.get("aria-label").endswith("naive: 5 of 3 sold, oversold. atomic_update: 3 of 3 sold, exact.")


def test_drawing_where_nobody_bought_anything_is_drawn_all_the_same():
    nothing = race(result(told=["busy", "busy"]))

    assert ElementTree.fromstring(draw_pieces(nothing, alone=True)) is not None
    assert "0 of 3 sold" in as_html(nothing)


# docs/ and the READMEs


@pytest.mark.parametrize("page", layers.PAGES)
def test_table_of_the_readme_is_that_of_the_race(page):
    figures = json.loads(layers.FIGURES.read_text())
    text = (layers.ROOT / page).read_text()

    assert layers.with_table(page, text, figures) == text, "stale: python -m lab.race.page"


def test_with_table_replaces_what_is_between_the_marks_and_nothing_else():
    figures = RACE.as_json()

    text = layers.with_table("docs/layers.md", "before\n<!-- race -->\nold\n<!-- /race -->\nafter\n", figures)

    assert text.startswith("before\n<!-- race -->\n| strategy | sold |")
    assert "| `naive` | 5 | 2 | 2 | " in text
    assert text.endswith(
        "| **oversold** |\n| `atomic_update` | 3 | 0 | 0 | 130 | 3 | 5 | exact |\n<!-- /race -->\nafter\n"
    )


def test_with_table_without_marks_says_so():
    with pytest.raises(layers.NoBlock, match="docs/layers.md has no"):
        layers.with_table("docs/layers.md", "nothing\n", RACE.as_json())


def test_race_in_the_docs_shows_what_it_is_there_for():
    figures = json.loads(layers.FIGURES.read_text())
    verdicts = {found["strategy"]: found["verdict"] for found in figures["strategies"]}

    assert figures["durability"] == {"log_bin": "ON", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1"}
    assert [name for name, verdict in verdicts.items() if verdict != "exact"] == ["naive", "transaction"]
    drawing = layers.FIGURES.with_suffix(".svg").read_text()
    for found in figures["strategies"]:
        assert f"{found['strategy']}: {found['sold']} of {found['stock']} sold, {found['verdict']}." in drawing
