"""Times in the admin: shown and taken in the zone of the operators, which is named; rows keep UTC."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from goods.models import Goods, Room
from lab.kit import factories
from lab.kit.admin_site import list_url, page_url, sign_in

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def client(settings: Settings) -> Client:
    settings.OPERATORS_TIME_ZONE = "Europe/Berlin"
    return sign_in(get_user_model().objects.create_superuser("root"))


def room() -> Room:
    made = factories.make_room(1)
    Room.objects.filter(pk=made.pk).update(started_at=NOON)
    return made


def test_times_are_shown_in_the_zone_that_the_page_names(client: Client) -> None:
    for url in (page_url(room()), list_url(Room)):
        page = client.get(url).content.decode()

        assert '<p class="zone">Times of Europe/Berlin</p>' in page
        assert "2 p.m." in page or 'value="14:00:00"' in page


def test_time_that_is_typed_is_of_the_zone_beside_its_field(client: Client) -> None:
    made = room()
    data = {"title": "New", "host_name": "", "cover": "", "status": "off"}

    page = client.get(page_url(made))
    client.post(page_url(made), {**data, "started_at_0": "2026-06-01", "started_at_1": "15:30:00"})

    assert page.context["adminform"].form.fields["started_at"].help_text == "Europe/Berlin"
    assert Room.objects.get().started_at == datetime(2026, 6, 1, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize(
    ("day", "hour"), [("0001-01-01", "00:00:00"), ("1999-12-31", "23:59:59"), ("9999-12-31", "23:59:59")]
)
def test_time_of_an_age_without_orders_is_refused_at_its_field(
    client: Client, settings: Settings, zone: str, day: str, hour: str
) -> None:
    settings.OPERATORS_TIME_ZONE = zone
    rows = [factories.make_goods(1), factories.make_room(1), factories.make_user("somebody")]
    names = ["sale_starts_at", "sale_ends_at", "started_at", "date_joined", "last_login"]
    typed = {f"{name}_{part}": text for name in names for part, text in enumerate((day, hour))}

    found = [client.post(page_url(row), typed).context["adminform"].form.errors for row in rows]

    told = {name: list(errors[name]) for errors in found for name in names if name in errors}
    assert told == dict.fromkeys(names, ["Type a time of the years 2000 to 2099."])


def test_pages_of_users_and_of_what_was_done_name_the_zone_too(client: Client) -> None:
    somebody = factories.make_user("somebody")
    goods = factories.make_goods(1)

    for url in (page_url(somebody), page_url(somebody, "history"), page_url(goods, "history")):
        assert "Times of Europe/Berlin" in client.get(url).content.decode()


def test_other_pages_keep_utc(client: Client) -> None:
    client.get(list_url(Goods))

    assert timezone.get_current_timezone_name() == "UTC"


def test_zone_is_utc_unless_another_is_set(settings: Settings) -> None:
    client = sign_in(get_user_model().objects.create_superuser("root"))

    assert '<p class="zone">Times of UTC</p>' in client.get(page_url(room())).content.decode()
