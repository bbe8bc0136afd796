"""The front page: who sees what, and whether it is true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django.fixtures import Settings

from charites.front import FIGURES
from lab.kit.demo_addresses import demo_addresses
from lab.kit.factories import make_goods, make_room, make_user

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]
FROM_ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}
THROUGH_A_PROXY = {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}


@pytest.fixture
def demo() -> Iterator[None]:
    with demo_addresses():
        yield


def links_of(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="(/[^"]*)"', html)


def staff_client() -> Client:
    client = Client()
    clerk = make_user("clerk")
    get_user_model().objects.filter(pk=clerk.pk).update(is_staff=True)
    client.force_login(clerk)
    return client


# Links


def test_front_page_leads_to_everything() -> None:
    links = links_of(Client().get("/").text)

    assert {"/api/docs", "/api/schema", "/admin/", "/readyz", "/statusz", "/livez", "/metrics"} <= set(links)


def test_front_page_has_no_dead_link_and_none_to_another_host() -> None:
    make_room(1, cover="/static/catalogue/room-1.svg")
    page = Client().get("/").text

    assert re.findall(r'(?:href|src)="(?!/|data:)([^"]*)"', page) == []
    for link in links_of(page):
        if link.startswith("/static/"):
            assert finders.find(link.removeprefix("/static/")), link
        else:
            # 503: /statusz of a test without worker and sweep.
            assert Client().get(link, follow=True).status_code in (200, 503), link


def test_front_page_names_no_file_that_a_visitor_cannot_open() -> None:
    assert "docs/" not in Client().get("/").text.replace("/api/docs", "")


# Rooms


def test_front_page_shows_the_rooms_with_their_names_escaped() -> None:
    make_room(7, title="<script>alert(1)</script>", host_name="Mei", cover="/static/catalogue/room-1.svg")

    page = Client().get("/").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "with Mei" in page
    assert 'href="/rooms/7"' in page
    assert 'src="/static/catalogue/room-1.svg"' in page


def test_room_on_the_front_page_shows_what_is_pinned_and_its_price() -> None:
    goods = make_goods(3, price=9950, market_price=12900)
    make_goods(4, price=100)
    make_room(1, goods_ids=[4], current_goods_id=3)
    make_room(2, goods_ids=[4])

    page = Client().get("/").text

    assert page.count('class="pinned"') == 1
    assert f"{goods.title}<br><strong>99.50 CNY</strong>" in page
    assert "129.00</s>" in page
    assert "1.00 CNY" not in page


def test_front_page_asks_as_few_statements_for_many_rooms_as_for_one(django_assert_num_queries) -> None:
    for number in range(1, 6):
        make_goods(number)
        make_room(number, goods_ids=[number], current_goods_id=number)

    with django_assert_num_queries(2):
        page = Client().get("/").text

    assert page.count('class="pinned"') == 5


def test_front_page_without_live_rooms_says_so() -> None:
    make_room(7, status="off")

    page = Client().get("/").text

    assert "No room is live." in page
    assert "/rooms/7" not in page


def test_front_page_of_a_service_without_goods_has_no_rooms(settings: Settings) -> None:
    make_room(7)
    settings.APPS, settings.IS_WHOLE = ["stock"], False

    page = Client().get("/").text

    assert 'class="rooms"' not in page
    assert "/statusz" in page


# Who sees what


@pytest.mark.usefixtures("demo")
def test_front_page_shows_the_demo_its_users_a_desk_and_a_race() -> None:
    make_room(7)

    page = Client().get("/").text

    assert "Bearer buyer" in page
    assert "on this machine alone" in page
    assert 'href="/rooms/7/desk"' in page


@pytest.mark.parametrize("sender", [FROM_ELSEWHERE, THROUGH_A_PROXY, {}], ids=["elsewhere", "proxy", "no demo"])
def test_front_page_shows_nothing_of_the_demo_to_others(sender: dict[str, str]) -> None:
    make_room(7)

    with demo_addresses(demo=bool(sender)):
        page = Client().get("/", **sender).text

    assert [words for words in ("Bearer buyer", "charites</code>", "/desk", "race", "demo") if words in page] == [
        "race"  # as a command
    ]
    assert 'href="/rooms/7"' in page


def test_front_page_leads_staff_to_the_desk_and_customers_not() -> None:
    make_room(7)
    customer = Client()
    customer.force_login(make_user("mei"))

    assert 'href="/rooms/7/desk"' in staff_client().get("/").text
    assert "/desk" not in customer.get("/").text


def test_front_page_is_kept_by_nobody() -> None:
    assert "no-store" in Client().get("/")["Cache-Control"]


# Figures


def test_figures_of_the_race_are_those_of_the_docs() -> None:
    sold = {row["strategy"]: row["sold"] for row in json.loads((ROOT / "docs" / "race.json").read_text())["strategies"]}

    assert str(sold["naive"]) == FIGURES["sold_naively"]
    assert str(sold["group_commit"]) == FIGURES["pieces"]
    assert f"{FIGURES['buyers']} buyers race for {FIGURES['pieces']} pieces" in (ROOT / "README.md").read_text()


def test_figures_of_the_faults_are_those_of_the_docs() -> None:
    text = (ROOT / "docs" / "faults.md").read_text()
    (row,) = re.findall(r"^\| servers killed under load and in mid batch .* passed \|$", text, re.MULTILINE)

    assert f" {FIGURES['kills']} kills of " in row
    assert f" {FIGURES['calls'].replace(',', '')} calls by " in row


@pytest.mark.parametrize(
    ("transport", "figure"), [("grpcio", "orders_beside_c"), ("pyvoy", "orders_beside_c_in_envoy")]
)
def test_figures_of_speed_are_those_of_the_docs_cut_to_one_place(transport: str, figure: str) -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    (median,) = re.findall(rf"^\| B2 CreateOrder, {transport}, 512 callers / C client \| (\d+\.\d)\d* \|", text, re.M)

    assert median == FIGURES[figure]


def test_front_page_says_every_figure() -> None:
    page = Client().get("/").text

    assert [figure for figure in FIGURES.values() if figure not in page] == []
