"""A host at a desk, who presses buttons."""

import re
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from goods.models import Goods
from lab.kit.factories import make_clerk

EVERYTHING = ("goods.change_room", "goods.change_goods", "stock.change_stock", "stock.add_stock", "orders.view_order")
BUTTONS = ("pin", "unpin", "restock", "start", "end", "on", "off", "times", "limit")


def host(*permissions: str) -> Client:
    """Somebody of the staff who may do these things, or everything that there is to do."""
    client = Client()
    client.force_login(make_clerk(*(permissions or EVERYTHING)))
    return client


def press(client: Client, button: str, **form: Any) -> Any:
    """Sends a form of product 1, unless it names another."""
    return client.post(f"/rooms/1/desk/{button}", {"goods_id": "1", **form})


def told(html: str) -> str | None:
    """The state of what is told at the top of the page."""
    found = re.search(r'data-testid="desk-told" data-state="([a-z-]+)"', html)
    return found and found[1]


def offered(html: str) -> set[str]:
    """The buttons on a page."""
    return set(re.findall(r'action="/rooms/1/desk/(\w+)"', html))


def done(goods_id: int, what: str) -> str:
    """Where a button leads that has done something."""
    return f"/rooms/1/desk?{urlencode({'did': what, 'goods': goods_id})}#goods-{goods_id}"


def product() -> Goods:
    return Goods.objects.get(goods_id=1)
