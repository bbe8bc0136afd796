"""The buttons of a room's desk in the demo. Whoever is not on this machine finds no such address."""

from collections.abc import Callable
from functools import partial, reduce, wraps
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from charites.common import clock
from charites.common.errors import Forbidden, Invalid, Kind, as_service_error
from charites.common.logs import log_unforeseen
from charites.common.rest import refusing
from charites.common.text import whole
from goods.errors import GoodsNotInRoom, RoomNotFound
from lab.crowd import runs
from lab.crowd.reset import NotOfTheDemo, Reset, reset_room
from lab.crowd.shown import TAG, as_json, may_restock
from lab.crowd.start import start_run
from lab.crowd.users import MOST_BUYERS
from lab.web.demo import for_the_demo
from live.shelf import read_shelf
from live.words import UNKNOWN, of_faults

View = Callable[[HttpRequest, int], HttpResponse]
BUYERS, PIECES, STOCK = range(1, MOST_BUYERS + 1), range(1, 1_000), range(10_001)
FIELDS = {
    "buyers": _("Buyers"),
    "quantity": _("Pieces each"),
    "goods_id": _("Product"),
    "stock": _("Set the stock to"),
}
MAY_NOT_RESTOCK = _("You may not restock, so you may not set the stock here.")
WHY_NOT = {
    runs.RunUnderWay: _(
        "Somebody is at it already: a crowd is buying, or a room is being put back. Wait until that has ended."
    ),
    NotOfTheDemo: _("This room is not one of the demo's, so nobody knows how it was."),
}


def button(view: View, *, has_steps: bool = False) -> View:
    """What a form is sent to: its answer is the desk, or a page that says why nothing was done, where that is known.
    Whoever comes there by the address gets the desk. `has_steps`: some may be done before one is refused."""

    @for_the_demo
    @wraps(view)
    def pressed(request: HttpRequest, room_id: int) -> HttpResponse:
        try:
            return view(request, room_id) if request.method == "POST" else redirect(desk_of(room_id))
        except RoomNotFound:
            return render(request, "live/no_room.html", status=HTTPStatus.NOT_FOUND)
        except Forbidden as refused:
            return refusing(refusal(request, room_id, MAY_NOT_RESTOCK), refused)
        except tuple(WHY_NOT) as refused:
            return refusal(request, room_id, WHY_NOT[type(refused)], HTTPStatus.CONFLICT)
        except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
            error = as_service_error(cause)
            log_unforeseen(error, cause)
            is_open = has_steps or error.kind in (Kind.UNKNOWN, Kind.INTERNAL)
            words = of_faults(error, FIELDS) if isinstance(error, Invalid) else error.message
            answer = unknown(request, room_id) if is_open else refusal(request, room_id, words)
            return refusing(answer, error)

    return pressed


def refusal(request: HttpRequest, room_id: int, text: object, status: int = HTTPStatus.OK) -> HttpResponse:
    context = {"title": _("Nothing was done"), "text": text, "desk": desk_of(room_id)}
    return render(request, "lab/refused.html", context, status=status)


def unknown(request: HttpRequest, room_id: int) -> HttpResponse:
    text = f"{UNKNOWN.text} {UNKNOWN.advice}"
    context = {"title": _("What came of it"), "text": text, "desk": desk_of(room_id)}
    return render(request, "lab/refused.html", context)


def desk_of(room_id: int, part: str = "send-crowd") -> str:
    return f"{reverse('desk', args=[room_id])}#{part}"


@button
def send(request: HttpRequest, room_id: int) -> HttpResponse:
    """Sends a crowd to buy a product of the room."""
    if request.POST.get("stock"):
        check_may_restock(request)
    start_run(
        room_id=room_id,
        goods_id=product_in(request, room_id),
        buyers=number_in(request, "buyers", BUYERS),
        quantity=number_in(request, "quantity", PIECES, absent="1"),
        stock=number_in(request, "stock", STOCK) if request.POST.get("stock") else None,
    )
    return redirect(desk_of(room_id))


@for_the_demo
@require_safe
def crowd(request: HttpRequest, room_id: int) -> HttpResponse:
    """How far the last run in the room is, for programs."""
    return JsonResponse(as_json(room_id))


@partial(button, has_steps=True)
def reset(request: HttpRequest, room_id: int) -> HttpResponse:
    """Puts a room back as it was seeded."""
    check_may_restock(request)
    with runs.alone():
        done = reset_room(room_id=room_id, now=clock.now())
    messages.success(request, words_of(done), extra_tags=TAG)
    return redirect(desk_of(room_id, "reset-room"))


def check_may_restock(request: HttpRequest) -> None:
    """Raises Forbidden."""
    if not may_restock(request):
        raise Forbidden


def number_in(request: HttpRequest, name: str, allowed: range, absent: str = "") -> int:
    """A number of the form. Raises Invalid."""
    number = whole(request.POST.get(name) or absent)
    if number is None or number not in allowed:
        least, most = allowed[0], allowed[-1]
        raise Invalid(name, _("must be a whole number from %(least)s to %(most)s"), least=least, most=most)
    return number


def product_in(request: HttpRequest, room_id: int) -> int:
    """The product of the form or, without one, what the room shows. Raises Invalid, GoodsNotInRoom, RoomNotFound."""
    given = request.POST.get("goods_id", "")
    shelf = read_shelf(room_id=room_id, now=clock.now())
    shown = shelf.shown()
    wanted = whole(given) if given else shown and shown.goods.goods_id
    if not wanted:
        raise Invalid("goods_id", _("is missing or out of range"))
    if wanted not in [item.goods.goods_id for item in shelf.items]:
        raise GoodsNotInRoom(goods_id=wanted, room_id=room_id)
    return wanted


def words_of(done: Reset) -> str:
    """What was done, in a sentence that leaves out what was not."""
    cancelled = ngettext("%(count)s unpaid order cancelled", "%(count)s unpaid orders cancelled", done.cancelled)
    restocked = ngettext("stock of %(count)s product set", "stock of %(count)s products set", done.restocked)
    changed = ngettext("sale of %(count)s product put right", "sale of %(count)s products put right", done.changed)
    pinned = str(_("the first product pinned again"))
    kept = ngettext("%(count)s order could not be cancelled", "%(count)s orders could not be cancelled", done.kept)
    counts = [
        (cancelled, done.cancelled),
        (restocked, done.restocked),
        (changed, done.changed),
        (pinned, done.is_pinned),
        (kept, done.kept),
    ]
    did = [text % {"count": count} for text, count in counts if count]
    if not did:
        return str(_("The room was as at first: there was nothing to do."))
    what = reduce(lambda told, more: str(_("%(told)s; %(more)s")) % {"told": told, "more": more}, did)
    text = _("The room is not quite as it was: %(what)s.") if done.kept else _("The room is as it was: %(what)s.")
    return str(text) % {"what": what}
