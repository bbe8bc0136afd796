"""The groups of staff that `migrate` makes: what each may, and that what an operator changed stays."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client

from charites.groups import GROUPS, make_groups
from goods.models import Goods, Room
from lab.kit import factories
from lab.kit.admin_site import OUR_APPS, confirm, list_url, sign_in
from lab.kit.interleaving import Interruption
from orders.models import Order
from stock.models import Stock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def groups() -> None:
    make_groups(using="default")


def member_of(name: str) -> Any:
    user = factories.make_user(f"a-{name}")
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=name))
    return user


def codenames(name: str) -> set[str]:
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


@pytest.mark.django_db(transaction=True)
def test_group_that_could_not_be_given_its_permissions_is_made_the_next_time() -> None:
    Group.objects.all().delete()
    broken = Interruption(OperationalError(2013, "Lost connection"), at="INSERT .*auth_group_permissions")

    with connection.execute_wrapper(broken), pytest.raises(OperationalError):
        make_groups(using="default")
    assert not Group.objects.exists()

    make_groups(using="default")
    assert all(codenames(name) for name in GROUPS)


def test_operators_may_everything_of_ours_and_nothing_with_users() -> None:
    ours = Permission.objects.filter(content_type__app_label__in=OUR_APPS)

    assert codenames("operator") == set(ours.values_list("codename", flat=True))
    assert sign_in(member_of("operator")).get("/admin/auth/user/").status_code == 403


def test_viewers_see_everything_but_people_and_change_nothing() -> None:
    factories.make_goods(1, stock=10)
    viewer = member_of("viewer")
    client: Client = sign_in(viewer)

    for model in (Goods, Room, Stock, Order):
        assert client.get(list_url(model)).status_code == 200
    confirm_nothing(client, "take_off_sale", list(Goods.objects.all()))

    assert Goods.objects.get().status == Goods.Status.ON_SALE
    assert not viewer.has_perm("orders.view_personal_data")
    assert all(codename.startswith("view_") for codename in codenames("viewer"))


def test_hosts_pin_and_sell_and_see_orders_and_leave_stock_and_orders_alone() -> None:
    factories.make_goods(1, stock=10)
    room = factories.make_room(1, goods_ids=[1])
    Room.objects.filter(pk=room.pk).update(current_goods_id=1)
    client = sign_in(member_of("host"))

    assert confirm(client, "unpin", [room]) == ["Done for 1 row."]
    assert confirm(client, "take_off_sale", list(Goods.objects.all())) == ["Done for 1 row."]
    assert client.get(list_url(Order)).status_code == 200
    confirm_nothing(client, "adjust", list(Stock.objects.all()), delta="5", reason="delivery", key="0" * 16)

    assert factories.counts(1) == (10, 0, 0)
    assert "change_order" not in codenames("host")


def test_what_an_operator_changed_in_a_group_stays() -> None:
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.set(Permission.objects.filter(codename="view_order"))
    Group.objects.get(name="host").delete()

    make_groups(using="default")

    assert codenames("viewer") == {"view_order"}
    assert "change_room" in codenames("host")
    assert set(Group.objects.values_list("name", flat=True)) == set(GROUPS)


@pytest.mark.django_db(transaction=True)
def test_migrate_makes_what_is_missing() -> None:
    Group.objects.all().delete()

    call_command("migrate", verbosity=0)

    assert set(Group.objects.values_list("name", flat=True)) == set(GROUPS)
    assert "change_room" in codenames("host")


def confirm_nothing(client: Client, action: str, rows: list[Any], **fields: str) -> None:
    data = {"action": action, "_selected_action": [row.pk for row in rows], "confirmed": "yes", **fields}
    client.post(list_url(type(rows[0])), data)
