"""A live room: a page that sells. It works without scripts: each button is a form, and each answer is the page."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from charites.common import clock
from charites.common.errors import Invalid, Kind, ServiceError, as_service_error
from charites.common.logs import log_unforeseen, note_actor
from charites.common.models import ADDRESS_LENGTH, MAX_INT64, NAME_LENGTH, PHONE_LENGTH
from charites.common.rest import refusing
from charites.common.text import tidy, whole
from goods.errors import RoomNotFound
from live.events import state_of
from live.own_orders import own_order, sent_back_of, waiting_orders
from live.shelf import read_shelf
from live.sign_in import to_sign_in
from live.visitors import Visitor, choose_visitor, is_demo, visitor_of
from live.words import tell
from orders import services
from orders.errors import OrderNotFound
from orders.lists import list_orders
from orders.models import Order
from orders.payloads import PlaceOrder
from orders.queue import place_next
from orders.selectors import OrderWithLines, get_order

ORDERS_SHOWN = 5
LONGEST = {"name": NAME_LENGTH, "phone": PHONE_LENGTH, "address": ADDRESS_LENGTH}
RECEIVER = tuple(LONGEST)
DEMO_RECEIVER = {"name": "Li Lei", "phone": "138 0000 0000", "address": "1 Harbour Road"}


@require_safe
@never_cache
def room_page(request: HttpRequest, room_id: int) -> HttpResponse:
    return page(request, room_id)


def button(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What a form is sent to. Whoever comes there otherwise, by the back button or the address, gets the room."""

    @never_cache
    @wraps(view)
    def pressed(request: HttpRequest, room_id: int, **more: int) -> HttpResponse:
        return view(request, room_id, **more) if request.method == "POST" else redirect("room", room_id)

    return pressed


@button
def buy(request: HttpRequest, room_id: int) -> HttpResponse:
    """Places an order by the key that came with the page: pressed twice it is one order."""
    visitor = visitor_of(request)
    if visitor is None:
        return to_sign_in("room", room_id)

    def place() -> HttpResponse:
        placed = place_next(command=command_of(request, room_id, visitor))
        return to_order(room_id, placed.order)

    return answered(request, room_id, place)


@button
def pay(request: HttpRequest, room_id: int, order_id: int) -> HttpResponse:
    """Begins a payment, and leads to the provider's page."""

    def begin() -> HttpResponse:
        begun = services.begin_payment(order_id=order_id, user_id=owner(request), outcome="page", now=clock.now())
        return render(request, "live/to_provider.html", {"pay_url": begun.pay_url})

    return answered(request, room_id, begin, order_id)


@button
def cancel(request: HttpRequest, room_id: int, order_id: int) -> HttpResponse:
    def close() -> HttpResponse:
        closed = services.cancel_order(
            order_id=order_id, user_id=owner(request), closed_by=Order.ClosedBy.USER, now=clock.now()
        )
        return to_order(room_id, closed)

    return answered(request, room_id, close, order_id)


@button
def ask(request: HttpRequest, room_id: int, order_id: int) -> HttpResponse:
    """Asks the provider whether an order was paid: its news may be late, or lost."""

    def ask_provider() -> HttpResponse:
        found = services.ask_about_order(order_id=order_id, user_id=owner(request), now=clock.now())
        return to_order(room_id, found, "&asked")

    return answered(request, room_id, ask_provider, order_id)


@button
def become(request: HttpRequest, room_id: int) -> HttpResponse:
    """Makes this browser another user of the demo."""
    answer = redirect("room", room_id)
    if is_demo(request):
        choose_visitor(answer, request.POST.get("name", ""))
    return answer


def answered(
    request: HttpRequest, room_id: int, act: Callable[[], HttpResponse], order_id: int | None = None
) -> HttpResponse:
    """Does what a button says; what goes wrong is told on the page."""
    try:
        return act()
    except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
        error = as_service_error(cause)
        log_unforeseen(error, cause)
        return page(request, room_id, error=error, order_id=order_id)


def page(
    request: HttpRequest, room_id: int, *, error: ServiceError | None = None, order_id: int | None = None
) -> HttpResponse:
    """The room, with one order or one refusal in the middle of it."""
    now, visitor = clock.now(), visitor_of(request)
    order = order_of(visitor, order_id or whole(request.GET.get("order"))) if visitor else None
    ordered = order.lines[0].goods_id if order else None
    chosen = whole(request.GET.get("goods"))
    shown = whole(request.POST.get("goods_id")) or chosen or ordered
    try:
        shelf = read_shelf(room_id=room_id, now=now)
    except RoomNotFound:
        return render(request, "live/no_room.html", status=HTTPStatus.NOT_FOUND)
    context: dict[str, Any] = {"shelf": shelf, "item": shelf.shown(shown), "visitor": visitor, "now": now}
    context["version"] = state_of(shelf, now).version
    context["chosen"] = chosen  # and therefore stays, whatever the host presents
    context |= {"currency": settings.CURRENCY, "demo": is_demo(request)}
    context["told"] = error and tell(error, has_ordered=order_id is not None)
    context["key"] = key_of(request, error)
    context["receiver"] = {
        name: request.POST.get(name) or (DEMO_RECEIVER[name] if context["demo"] else "") for name in RECEIVER
    }
    context["longest"] = LONGEST
    context["quantity"] = request.POST.get("quantity", "1") if error else "1"
    if visitor:
        orders = list_orders(user_id=visitor.user_id, limit=ORDERS_SHOWN)
        sent_back = sent_back_of(orders)
        unpaid = unpaid_of(visitor, orders)
        own = own_order(order, now) if order else None
        context["mine"] = [(found, sent_back.get(found.order.order_id, 0)) for found in orders]
        context |= {"own": own, "waiting": waiting_orders(unpaid, own, now)}
        context["asked"] = "asked" in request.GET
        context["waits"] = bool(unpaid)
    answer = render(request, "live/room.html", context)
    return refusing(answer, error) if error else answer


def unpaid_of(visitor: Visitor, newest: list[OrderWithLines]) -> list[OrderWithLines]:
    """The visitor's unpaid orders, also those that are older than the newest ones."""
    if len(newest) == ORDERS_SHOWN:
        return list_orders(user_id=visitor.user_id, status=Order.Status.UNPAID)
    return [found for found in newest if found.order.status == Order.Status.UNPAID]


def key_of(request: HttpRequest, error: ServiceError | None) -> str:
    """The key of the next order from this page. While nobody knows what became of the last one, it is still that."""
    is_open = error is not None and error.kind in (Kind.BUSY, Kind.UNKNOWN)
    kept = request.POST.get("key", "") if is_open else ""
    return kept or uuid4().hex


def command_of(request: HttpRequest, room_id: int, visitor: Visitor) -> PlaceOrder:
    """What a buyer asks for. Raises Invalid."""
    note_actor(f"customer:{visitor.user_id}")
    goods_id, quantity = whole(request.POST.get("goods_id")), whole(request.POST.get("quantity"))
    price = whole(request.POST.get("price"))
    if goods_id is None:
        raise Invalid("goods_id", _("is missing or out of range"))
    if not quantity:
        raise Invalid("quantity", _("must be a whole number, 1 or more"))
    amount = price and min(price * quantity, MAX_INT64)
    return PlaceOrder(
        user_id=visitor.user_id,
        quantities={goods_id: quantity},
        **{name: tidy(request.POST.get(name, "")) for name in RECEIVER},
        room_id=room_id,
        idempotency_key=request.POST.get("key", ""),
        expected_amount=amount or None,
    )


def owner(request: HttpRequest) -> int:
    """Whose orders somebody may touch here: his own, staff's too. Raises OrderNotFound."""
    visitor = visitor_of(request)
    if visitor is None:
        raise OrderNotFound(order_id=0)
    note_actor(f"customer:{visitor.user_id}")
    return visitor.user_id


def order_of(visitor: Visitor, order_id: int | None) -> OrderWithLines | None:
    """An order of the visitor; None where there is no such one."""
    try:
        return get_order(order_id=order_id, user_id=visitor.user_id) if order_id else None
    except OrderNotFound:
        return None


def to_order(room_id: int, found: OrderWithLines | None, more: str = "") -> HttpResponse:
    order = f"?order={found.order.order_id}{more}#order" if found else ""
    return redirect(f"{reverse('room', args=[room_id])}{order}")
