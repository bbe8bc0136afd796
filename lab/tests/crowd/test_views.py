"""The addresses that a desk's parts send their forms to, and what the parts show."""

import re
from contextlib import ExitStack
from dataclasses import replace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils import timezone

from charites.views import no_such_page
from lab.crowd import runs
from lab.crowd.runs import Rows, Run, State, Told
from lab.crowd.shown import read_shown
from lab.kit.demo_addresses import demo_addresses
from lab.kit.factories import counts, make_clerk, make_goods, make_room
from live.shelf import read_shelf
from orders.models import Order

pytestmark = pytest.mark.django_db

SEND, CROWD, RESET = (f"/rooms/1/desk/{name}" for name in ("send", "crowd", "reset"))
FORM = {"buyers": "200", "quantity": "1", "goods_id": "1"}
RUN = Run(room_id=1, goods_id=1, buyers=200, quantity=1, key="crowd:1")
AGREEING = Rows(orders=5, pieces=5, wanted_pieces=5, missing=0, unexpected=0, late=0, broken=[])
AGREED = "The database agrees: 5 orders of these buyers, 5 pieces reserved."
ASKED = "200 buyers, 1 piece each: Goods 1"
TOLD = {Told.GOT_IT.value: 5, Told.SOLD_OUT.value: 195}


@pytest.fixture
def room() -> None:
    make_goods(1, stock=5)
    make_goods(2, stock=5)
    make_room(1, goods_ids=[1], current_goods_id=1)
    make_room(77, goods_ids=[2])


def note(run: Run) -> None:
    """Writes a run down as the program does."""
    runs.write(run, runs.next_file())


def shown() -> str:
    """The part of the desk, as it is now."""
    shelf = read_shelf(room_id=1, now=timezone.now())
    request = RequestFactory().get("/rooms/1/desk")
    request.user = AnonymousUser()
    return render_to_string("lab/desk.html", {"shelf": shelf}, request)


def words_of(html: str) -> str:
    """The text of the result."""
    result = html[html.index('data-testid="desk-result"') : html.index("</section>", html.index("desk-result"))]
    return " ".join(re.sub(r"<[^>]*>", "", f"<{result}").split()).replace(" ,", ",")


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("address", [SEND, CROWD, RESET])
@pytest.mark.parametrize("outside", ["no demo", "from elsewhere", "through a proxy"])
def test_whoever_is_not_on_this_machine_finds_no_such_address(settings, address: str, outside: str) -> None:
    settings.DEMO = outside != "no demo"
    more = {"REMOTE_ADDR": "192.0.2.1"} if outside == "from elsewhere" else {}
    client = Client(headers={"X-Forwarded-For": "192.0.2.1"} if outside == "through a proxy" else {}, **more)

    assert [client.get(address).status_code, client.post(address, FORM).status_code] == [404, 404]
    assert runs.find_last(1) is None


@pytest.mark.parametrize("address", [SEND, CROWD, RESET])
def test_shop_that_was_started_without_the_demo_has_no_such_address(address: str) -> None:
    with demo_addresses(demo=False):
        assert resolve(address).func == no_such_page


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"buyers": "0"}, 400),
        ({"buyers": "501"}, 400),
        ({"buyers": "many"}, 400),
        ({"buyers": ""}, 400),
        ({"buyers": "-5"}, 400),
        ({"buyers": "9" * 30}, 400),
        ({"quantity": "0"}, 400),
        ({"quantity": "1000"}, 400),
        ({"quantity": "one"}, 400),
        ({"stock": "-1"}, 400),
        ({"stock": "10001"}, 400),
        ({"stock": "few"}, 400),
        ({"goods_id": "x"}, 400),
        ({"goods_id": "0"}, 400),
        ({"goods_id": "2"}, 409),
        ({"goods_id": "9" * 18}, 409),
    ],
    ids=str,
)
def test_what_nobody_can_send_is_refused_in_words(more: dict[str, str], status: int) -> None:
    answer = Client().post(SEND, FORM | more)

    assert answer.status_code == status
    assert "Nothing was done" in answer.text
    assert 'href="/rooms/1/desk#send-crowd"' in answer.text
    assert runs.find_last(1) is None
    assert counts(1) == (5, 0, 0)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("address", [SEND, RESET])
def test_while_somebody_is_at_it_nobody_else_begins(address: str) -> None:
    with runs.alone():
        answer = Client().post(address, FORM | {"stock": "7"})

    assert answer.status_code == 409
    assert "Somebody is at it already" in answer.text
    assert runs.find_last(1) is None
    assert counts(1) == (5, 0, 0)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("permission", ["orders.view_order", "goods.change_room"])
def test_who_may_not_restock_is_not_offered_to_set_the_stock_and_cannot(permission: str) -> None:
    client = Client()
    client.force_login(make_clerk(permission))

    page = client.get("/rooms/1/desk").text
    answers = [client.post(SEND, FORM | {"stock": "7"}), client.post(RESET)]

    assert ('data-testid="desk-send"' in page, 'name="stock"' in page, RESET in page) == (True, False, False)
    assert [answer.status_code for answer in answers] == [403, 403]
    assert "You may not restock, so you may not set the stock here." in answers[0].text
    assert runs.find_last(1) is None
    assert counts(1) == (5, 0, 0)


@pytest.mark.usefixtures("room")
def test_who_may_restock_is_offered_to_set_the_stock() -> None:
    client = Client()
    client.force_login(make_clerk("stock.change_stock"))

    assert 'name="stock"' in client.get("/rooms/1/desk").text


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("address", [SEND, RESET])
def test_form_of_another_site_does_nothing(address: str) -> None:
    assert Client(enforce_csrf_checks=True).post(address, FORM).status_code == 403
    assert runs.find_last(1) is None
    assert not Order.objects.exists()


@pytest.mark.parametrize(("button", "status"), [("send", 404), ("reset", 409)])
def test_room_that_is_not_there_says_so(button: str, status: int) -> None:
    assert Client().post(f"/rooms/404/desk/{button}", FORM).status_code == status
    assert runs.find_last(404) is None


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("address", [SEND, RESET])
def test_whoever_comes_by_the_address_gets_the_desk(address: str) -> None:
    assert Client().get(address)["Location"] == "/rooms/1/desk#send-crowd"


def test_for_programs_there_is_json() -> None:
    assert Client().get(CROWD).json() == {"state": None}

    note(replace(RUN, state=State.DONE, told=TOLD, seconds=1.2, rows=AGREEING))

    found = Client().get(CROWD).json()
    assert (found["state"], found["agree"], found["goods_id"]) == ("done", True, "1")
    assert (found["told"]["got_it"], found["told"]["sold_out"], found["told"]["busy"]) == (5, 195, 0)
    assert Client().get("/rooms/2/desk/crowd").json() == {"state": None}


@pytest.mark.usefixtures("room")
def test_part_of_the_desk_has_the_forms_and_nothing_to_tell_at_first() -> None:
    html = shown()

    assert 'data-testid="desk-send"' in html
    assert '<option value="1" selected>' in html
    assert words_of(html) == "No crowd has been here yet."


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("stock", [0, 7, None])
def test_form_keeps_the_numbers_of_the_last_run(stock: int | None) -> None:
    note(replace(RUN, buyers=40, quantity=3, stock=stock, state=State.DONE))

    numbers = dict(re.findall(r'name="(\w+)" type="number"[^>]* value="(\w*)"', shown()))

    assert numbers == {"buyers": "40", "quantity": "3", "stock": "" if stock is None else str(stock)}


@pytest.mark.usefixtures("room")
def test_part_of_a_shop_that_has_no_such_address_is_empty() -> None:
    with demo_addresses(demo=False):
        assert shown().strip() == ""


@pytest.mark.usefixtures("room")
def test_run_is_told_in_words_while_it_goes_on_and_at_its_end() -> None:
    note(replace(RUN, told={Told.GOT_IT.value: 5, Told.SOLD_OUT.value: 30}))
    with runs.alone():
        assert words_of(shown()) == (f"{ASKED} 35 of 200 have their answer 5 got it, 30 sold out Look again")

    assert words_of(shown()) == f"{ASKED} The run was cut off before its end. 5 got it, 30 sold out"

    note(replace(RUN, state=State.DONE, told=TOLD, seconds=1.23, rows=AGREEING))
    html = shown()
    assert words_of(html) == f"{ASKED} 5 got it, 195 sold out in 1.2 s {AGREED}"
    assert 'class="bad"' not in html

    note(replace(RUN, state=State.DONE, told={Told.BUSY.value: 1, Told.SOLD_OUT.value: 199}, seconds=1.23))
    assert words_of(shown()) == f"{ASKED} 0 got it, 199 sold out, 1 told to come back in 1.2 s"

    note(replace(RUN, state=State.FAILED))
    assert words_of(shown()) == f"{ASKED} The crowd could not be sent. The log has the cause."


@pytest.mark.usefixtures("room")
def test_rows_that_do_not_agree_are_told_in_red() -> None:
    rows = Rows(orders=7, pieces=6, wanted_pieces=7, missing=1, unexpected=2, late=1, broken=["I1-reserved"])
    note(replace(RUN, state=State.DONE, told=TOLD, seconds=1.0, rows=rows))

    html = shown()

    assert '<p class="bad">The database does not agree with what the buyers were told:' in html
    told = words_of(html)
    assert "1 buyer got it and has no order" in told
    assert "2 buyers were refused and have an order" in told
    assert "the stock has 6 pieces for these orders, which hold 7" in told
    assert "the audit finds: I1-reserved" in told
    assert "1 buyer without an answer has an order" in told


@pytest.mark.usefixtures("room")
def test_part_writes_no_style_of_its_own() -> None:
    note(replace(RUN, state=State.DONE, told=TOLD, seconds=1.0, rows=AGREEING))

    assert not re.search(r"\sstyle=|<style|<script", shown())


def test_few_files_are_kept() -> None:
    for _ in range(runs.MOST_KEPT + 10):
        note(RUN)

    assert runs.MOST_KEPT <= len(runs.newest_first()) <= runs.MOST_KEPT + 1


@pytest.mark.parametrize("text", ["", "1", "[]", "{}", '{"rows": null, "state": "done", "gone": 1}'])
def test_file_that_holds_no_run_is_passed_over(room: None, text: str) -> None:
    note(RUN)
    runs.next_file().write_text(text)

    assert runs.find_last(1) == RUN


@pytest.mark.usefixtures("room")
def test_run_that_ends_while_somebody_looks_was_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    note(RUN)
    find_last = runs.find_last
    with ExitStack() as lock:
        lock.enter_context(runs.alone())
        monkeypatch.setattr(runs, "find_last", lambda room_id: (find_last(room_id), lock.close())[0])

        assert read_shown(1).is_running
