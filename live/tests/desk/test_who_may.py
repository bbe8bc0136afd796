"""Who may come to a desk, and press what."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from goods.models import Room
from lab.kit.factories import make_clerk, make_order, make_user
from live.tests.desk.pressing import BUTTONS, EVERYTHING, done, host, offered, press, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]


def test_whoever_has_not_signed_in_is_led_there_and_back() -> None:
    for method, path in [("get", "desk"), *(("post", f"desk/{button}") for button in BUTTONS)]:
        answer = getattr(Client(), method)(f"/rooms/1/{path}", {"goods_id": "2"})

        assert (answer.status_code, answer["Location"]) == (302, "/sign-in?next=/rooms/1/desk")
    assert Room.objects.get().current_goods_id == 1


@pytest.mark.parametrize("who", ["customer", "staff without permissions", "customer with permissions"])
def test_whoever_may_do_nothing_is_told_so(who: str) -> None:
    user = make_clerk(*(EVERYTHING if "with " in who else ()))
    user.is_staff = "customer" not in who
    user.save()
    client = Client()
    client.force_login(user)

    for answer in (client.get("/rooms/1/desk"), press(client, "pin", goods_id="2")):
        assert answer.status_code == 403
        assert "who may do nothing at this desk" in answer.text
        assert "Goods 1" not in answer.text
        assert "demo" not in answer.text
    assert Room.objects.get().current_goods_id == 1


@pytest.mark.parametrize("change", ["disabled", "demoted", "without the permission"])
def test_who_loses_the_right_stops_at_once(change: str) -> None:
    client, user = host(), get_user_model().objects.get()
    assert press(client, "pin", goods_id="2").status_code == 302

    if change == "without the permission":
        user.user_permissions.clear()
    else:
        column = {"disabled": "is_active", "demoted": "is_staff"}[change]
        get_user_model().objects.update(**{column: False})
    answer = press(client, "pin", goods_id="1")

    assert answer.status_code == (302 if change == "disabled" else 403)
    assert Room.objects.get().current_goods_id == 2


OF_PERMISSION = {
    "goods.change_room": {"pin", "unpin"},
    "goods.change_goods": {"start", "end", "on", "off", "times", "limit"},
    "stock.change_stock": {"restock"},
    "orders.view_order": set(),
    "orders.change_order": set(),
}


@pytest.mark.parametrize("permission", OF_PERMISSION)
def test_each_permission_opens_its_own_buttons_and_no_others(permission: str) -> None:
    client = host(permission)
    shown = offered(client.get("/rooms/1/desk").text)

    answers = {button: press(client, button, pieces="1", key="k", limit="3") for button in BUTTONS}

    refused = {button for button, answer in answers.items() if answer.status_code == 403}
    assert refused == set(BUTTONS) - OF_PERMISSION[permission]
    assert {told(answers[button].text) for button in refused} <= {"forbidden"}
    assert shown <= OF_PERMISSION[permission]
    assert bool(shown) == bool(OF_PERMISSION[permission])


@pytest.mark.parametrize("permission", OF_PERMISSION)
def test_orders_are_for_whoever_may_see_them(permission: str) -> None:
    order = make_order()

    page = host(permission).get("/rooms/1/desk").text

    assert (str(order.order_id) in page) == permission.startswith("orders.")
    assert ("Revenue a minute" in page) == permission.startswith("orders.")


@pytest.mark.usefixtures("instruments")
@pytest.mark.parametrize("where", ["here", "no demo", "from elsewhere", "through a proxy"])
def test_in_the_demo_and_on_this_machine_alone_one_is_staff_without_signing_in(settings: Any, where: str) -> None:
    settings.DEMO = where != "no demo"
    make_clerk(*EVERYTHING, username="staff")
    more = {"REMOTE_ADDR": "192.0.2.1"} if where == "from elsewhere" else {}
    client = Client(headers={"X-Forwarded-For": "192.0.2.1"} if where == "through a proxy" else {}, **more)

    page, pressed = client.get("/rooms/1/desk"), press(client, "pin", goods_id="2")

    assert ("you are <b>staff</b> here" in page.text) == (where == "here")
    assert pressed["Location"] == (done(2, "pinned") if where == "here" else "/sign-in?next=/rooms/1/desk")
    assert Room.objects.get().current_goods_id == (2 if where == "here" else 1)


def test_in_the_demo_a_buyer_who_has_signed_in_is_no_staff(settings: Any) -> None:
    settings.DEMO = True
    make_clerk(*EVERYTHING, username="staff")
    client = Client()
    client.force_login(make_user("buyer"))

    page = client.get("/rooms/1/desk")

    assert page.status_code == 403
    assert "Sign out to be the host of the demo." in page.text
    (back,) = re.findall(r'name="next" value="([^"]*)"', page.text)
    assert "you are <b>staff</b> here" in client.post("/sign-out", {"next": back}, follow=True).text


def test_form_of_another_site_does_nothing() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_clerk(*EVERYTHING))

    assert press(client, "pin", goods_id="2").status_code == 403
    assert Room.objects.get().current_goods_id == 1


def test_form_of_before_somebody_signed_in_does_nothing_and_says_so() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_clerk(*EVERYTHING))

    answer = press(client, "pin", goods_id="2")

    assert answer.status_code == 403
    assert "Nothing was done. Go back, reload the page, and press again." in answer.text
    assert Room.objects.get().current_goods_id == 1
