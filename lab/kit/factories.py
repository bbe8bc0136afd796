"""What tests start from, made through the real services wherever there is one.

Everything has a default; a test names only what it is about. `NOW` is the clock of a test: pass it on, and change it
by adding seconds instead of sleeping.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission as DjangoPermission
from django.test import override_settings
from django.utils import timezone

from charites.common.auth import Permission, Role, issue_token
from charites.common.auth.tokens import REFRESH, encode
from goods.models import Goods, Room
from goods.services import Entry, add_room_goods
from orders import services as orders
from orders.models import Order, Payment
from orders.payloads import Capture, PlaceOrder
from stock.models import Stock
from stock.selectors import get_stock
from stock.services import Adjustment, adjust_stock

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SANDBOX = "orders.payments.sandbox.Sandbox"
BUYER_ID = 7
STAFF_ID = 1_000_001  # no other user comes that far

_numbers = count(1)


def later(seconds: float, start: datetime = NOW) -> datetime:
    """Returns the moment `seconds` after `start`."""
    return start + timedelta(seconds=seconds)


def make_goods(goods_id: int = 1, *, stock: int | None = None, **columns: Any) -> Goods:
    """A product on sale at 99.50; `stock`: pieces that are available of it, no stock row when left out."""
    defaults = {"title": f"Goods {goods_id}", "price": 9950, "market_price": 12900, "brief": "Brief."}
    goods = Goods.objects.create(goods_id=goods_id, **{**defaults, **columns})
    if stock is not None:
        make_stock(goods_id, stock)
    return goods


def make_stock(goods_id: int = 1, available: int = 10) -> Stock:
    """Adds `available` pieces to a product, as staff do."""
    return adjust_stock(adjustments=[Adjustment(goods_id, "delivery", "staff", delta=available)]).rows[0]


def make_room(room_id: int = 1, *, goods_ids: Sequence[int] = (), **columns: Any) -> Room:
    """A live room; the first of `goods_ids` (which exist) has the highest weight."""
    room = Room.objects.create(room_id=room_id, **{"title": f"Room {room_id}", "status": Room.Status.LIVE, **columns})
    entries = [Entry(goods_id, weight=100 - position) for position, goods_id in enumerate(goods_ids)]
    if entries:
        add_room_goods(room_id=room_id, entries=entries, actor="staff")
    return room


def make_command(quantities: Mapping[int, int] | None = None, **changes: Any) -> PlaceOrder:
    """A valid command of user 7 for one piece of product 1."""
    command = PlaceOrder(
        user_id=BUYER_ID,
        quantities={1: 1} if quantities is None else dict(quantities),
        address="1 Harbour Road",
        name="Li Lei",
        phone="13800000000",
    )
    return replace(command, **changes)


def make_order(quantities: Mapping[int, int] | None = None, *, now: datetime = NOW, **changes: Any) -> Order:
    """An unpaid order placed at `now`, of goods that have stock. `changes`: fields of PlaceOrder."""
    placed = orders.place_order(command=make_command(quantities, **changes), now=now)
    assert placed.order is not None
    return stored(placed.order.order)


def stored(order: Order) -> Order:
    """Returns an order as it is in the database now."""
    return Order.objects.get(order_id=order.order_id)


def make_payment(order: Order, *, now: datetime = NOW, outcome: str = "page") -> Payment:
    """A begun payment of an unpaid order, at the sandbox; with the outcome "now" the sandbox has the money."""
    with override_settings(PAYMENT_PROVIDER=SANDBOX):
        return orders.begin_payment(order_id=order.order_id, user_id=order.user_id, outcome=outcome, now=now).payment


def make_capture(payment: Payment, **changes: Any) -> Capture:
    """News of the right money for a payment, under a trade id of its own."""
    capture = Capture(
        payment_id=payment.payment_id,
        channel=payment.channel,
        trade_id=f"T{next(_numbers)}",
        amount=payment.amount,
        currency=payment.currency,
        captured_at=NOW,
    )
    return replace(capture, **changes)


def make_paid_order(quantities: Mapping[int, int] | None = None, *, now: datetime = NOW, **changes: Any) -> Order:
    """An order that was placed and paid at `now`."""
    order = make_order(quantities, now=now, **changes)
    errors = orders.record_captures(captures=[make_capture(make_payment(order, now=now), captured_at=now)])
    assert errors == [None]
    return stored(order)


def make_closed_order(quantities: Mapping[int, int] | None = None, *, now: datetime = NOW, **changes: Any) -> Order:
    """An order that its buyer cancelled."""
    order = make_order(quantities, now=now, **changes)
    return orders.cancel_order(
        order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=now
    ).order


def make_user(username: str = "buyer", *, is_staff: bool = False, password: str = "charites") -> Any:
    """A user who can sign in; the super user of the admin when `is_staff`."""
    users = get_user_model().objects
    make = users.create_superuser if is_staff else users.create_user
    return make(username, password=password)


def make_staff(user_id: int = STAFF_ID) -> Any:
    """The member of staff with this number, who may do everything, unless there is one already."""
    return get_user_model().objects.get_or_create(
        pk=user_id, defaults={"username": f"superuser {user_id}", "is_staff": True, "is_superuser": True}
    )[0]


def make_clerk(*permissions: str, username: str = "clerk") -> Any:
    """A member of staff who may do these things alone, such as `stock.change_stock`; whoever is there already from now
    on."""
    users = get_user_model().objects
    number = STAFF_ID + 1 + users.filter(pk__gt=STAFF_ID).count()  # no customer of a test has it
    clerk, _new = users.get_or_create(username=username, defaults={"pk": number, "is_staff": True})
    named = [permission.split(".") for permission in permissions]
    chosen = [DjangoPermission.objects.get(content_type__app_label=app, codename=name) for app, name in named]
    clerk.user_permissions.set(chosen)
    return clerk


def bearer(user_id: int = BUYER_ID, role: Role = Role.CUSTOMER, name: str = "") -> str:
    """The value of an `authorization` header that speaks for a user, or for a service of this name.

    A customer needs no row; for staff there is `make_staff`, and where the users are another service's, the token says
    all permissions.
    """
    permissions = list(Permission) if role is Role.STAFF else ()
    token = issue_token(user_id=user_id, role=role, now=timezone.now(), name=name, permissions=permissions)
    return f"Bearer {token}"


def staff_bearer(user_id: int = STAFF_ID) -> str:
    """The same for staff who may do everything, whom it makes."""
    return bearer(make_staff(user_id).pk, Role.STAFF)


def refresh_bearer(user_id: int = BUYER_ID, role: Role = Role.CUSTOMER) -> str:
    """A refresh token where an access token belongs."""
    now, seconds = timezone.now(), settings.TOKEN_REFRESH_SECONDS
    return f"Bearer {encode(user_id=user_id, role=role, purpose=REFRESH, now=now, seconds=seconds)}"


def counts(goods_id: int = 1) -> tuple[int, int, int]:
    """Returns (available, reserved, sold) of a product."""
    stock = get_stock(goods_id=goods_id)
    return stock.available, stock.reserved, stock.sold
