import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from lab.kit import factories
from lab.kit.admin_site import add_url, ask, confirm, make_operator, page_url, sign_in, submit
from stock.models import Stock, StockAdjustment

pytestmark = pytest.mark.django_db

KEY = "0123456789abcdef"


@pytest.fixture
def client() -> Client:
    factories.make_stock(1, 10)
    factories.make_stock(2, 10)
    return sign_in(make_operator())


def rows() -> list[Stock]:
    return list(Stock.objects.order_by("goods_id"))


def test_adjusting_asks_for_a_change_and_a_reason(client: Client) -> None:
    page = ask(client, "adjust", rows())

    assert page.status_code == 200
    assert list(page.context["form"].fields) == ["delta", "reason", "key"]
    assert page.context["form"]["key"].value()
    assert factories.counts(1) == (10, 0, 0)


def test_adjusting_writes_the_change_with_reason_and_name(client: Client) -> None:
    assert confirm(client, "adjust", rows(), delta="-3", reason="breakage", key=KEY) == ["Done for 2 rows."]

    assert (factories.counts(1), factories.counts(2)) == ((7, 0, 0), (7, 0, 0))
    written = StockAdjustment.objects.get(goods_id=1, delta=-3)
    assert (written.reason, written.actor) == ("breakage", "operator")
    assert LogEntry.objects.filter(change_message__contains="breakage").count() == 2


def test_history_tells_an_adjustment_in_words(client: Client) -> None:
    confirm(client, "adjust", rows()[:1], delta="-3", reason="breakage, key=7", key=KEY)

    (entry,) = client.get(page_url(rows()[0], "history")).context["action_list"]

    assert entry.change_message == "Adjust the stock; change: -3; reason: breakage, key=7"


def test_adjusting_sent_twice_is_done_once(client: Client) -> None:
    fields, before = {"delta": "5", "reason": "delivery", "key": KEY}, "Done before, and not again: products"
    assert confirm(client, "adjust", rows()[:1], **fields) == ["Done for 1 row."]

    for said in (["Done for 1 row.", f"{before} 1."], [f"{before} 1, 2."]):
        assert confirm(client, "adjust", rows(), **fields) == said

    assert (factories.counts(1), factories.counts(2)) == ((15, 0, 0), (15, 0, 0))
    assert LogEntry.objects.count() == 2


def test_adjusting_below_zero_is_refused_for_all(client: Client) -> None:
    factories.make_stock(2, 90)

    messages = confirm(client, "adjust", rows(), delta="-11", reason="breakage", key=KEY)

    assert messages == ["Not enough stock of product 1: 11 asked for, 10 left."]
    assert (factories.counts(1), factories.counts(2)) == ((10, 0, 0), (100, 0, 0))
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize(
    "fields", [{"delta": "many"}, {"reason": ""}, {"delta": str(2**63)}, {"reason": "x" * 256}, {"reason": "a\u202eb"}]
)
def test_adjusting_with_nonsense_shows_the_form_again(client: Client, fields: dict[str, str]) -> None:
    data = {"delta": "1", "reason": "delivery", "key": KEY, "confirmed": "yes", "action": "adjust", **fields}

    page = client.post("/admin/stock/stock/", {**data, "_selected_action": [rows()[0].pk]})

    assert page.status_code == 200
    assert set(page.context["form"].errors) == set(fields)
    assert factories.counts(1) == (10, 0, 0)


def test_new_stock_row_comes_with_its_first_adjustment(client: Client) -> None:
    data = {"goods_id": "3", "delta": "20", "reason": "first delivery", "key": KEY}

    (message,) = submit(client, add_url(Stock), data)

    assert "product 3: 20 available" in message
    assert factories.counts(3) == (20, 0, 0)
    assert StockAdjustment.objects.get(goods_id=3).delta == 20


def test_new_stock_row_that_exists_is_refused(client: Client) -> None:
    page = client.post(add_url(Stock), {"goods_id": "1", "delta": "20", "reason": "again", "key": KEY})

    assert page.status_code == 200
    assert factories.counts(1) == (10, 0, 0)


def test_new_stock_row_below_zero_is_refused(client: Client) -> None:
    data = {"goods_id": "3", "delta": "-1", "reason": "odd", "key": KEY}

    assert submit(client, add_url(Stock), data) == ["Not enough stock of product 3: 1 asked for, 0 left."]
    assert not Stock.objects.filter(goods_id=3).exists()


def test_stock_page_lists_its_adjustments_newest_first(client: Client) -> None:
    factories.make_stock(1, 4)

    section = client.get(page_url(rows()[0])).context["sections"][0]

    assert [row[1:3] for row in section.rows] == [["delivery", "staff"]] * 2
    assert [">4<" in row[0] for row in section.rows] == [True, False]
