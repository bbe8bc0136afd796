"""What became of a press of a button at a desk, in a host's words."""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from charites.common.errors import Forbidden, Invalid, KeyReused, Kind, ServiceError
from goods.errors import GoodsNotFound, GoodsNotInRoom
from live.words import NOT_CHANGED, Told, of_faults
from stock.errors import NotEnoughStock, StockNotFound

DONE = {
    "pinned": _("Pinned: buyers see it now."),
    "unpinned": _("No longer pinned."),
    "started": _("The sale is on."),
    "ended": _("The sale is over."),
    "on": _("On sale again."),
    "off": _("Off sale: nobody can buy it."),
    "times": _("The times of the sale are set."),
    "limit": _("The limit is set."),
}
ADDED, TAKEN = _("%(pieces)s added: %(available)s available"), _("%(pieces)s taken: %(available)s available")
PIECES = re.compile(r"([+-])([0-9]{1,18})")
FIELDS = {
    "goods_id": _("Product"),
    "pieces": _("Pieces"),
    "delta": _("Pieces"),
    "limit": _("Limit"),
    "starts": _("Sale from"),
    "ends": _("Sale until"),
    "idempotency_key": _("Form"),
}
BY_KIND = {
    Kind.BUSY: NOT_CHANGED,
    Kind.UNKNOWN: Told(
        "busy",
        _("We do not know yet whether that worked."),
        _("Press the same button again: pieces are added once, however often you press."),
    ),
}
BY_ERROR: dict[type[ServiceError], Told] = {
    GoodsNotInRoom: Told("gone", _("This product is not in the list of this room any more.")),
    GoodsNotFound: Told("gone", _("This product does not exist any more.")),
    KeyReused: Told(
        "conflict", _("This form was sent before, with other pieces."), _("Look at the stock, and send this new form.")
    ),
    StockNotFound: Told("forbidden", _("You may not add the first pieces of a product."), _("Others may: ask them.")),
    Forbidden: Told("forbidden", _("You may not do this here."), _("Whoever runs the shop can change that.")),
}


def of_done(what: str, available: int) -> str | Promise:
    """Returns what a button has done: one of DONE, or pieces with their sign. `available`: as it is now."""
    if moved := PIECES.fullmatch(what):
        text = ADDED if moved[1] == "+" else TAKEN
        return text % {"pieces": int(moved[2]), "available": available}
    return DONE.get(what, "")


def of_shortage(available: int) -> str | Promise:
    if available < 1:
        return _("There is nothing left to take away.")
    text = ngettext(
        "There is only %(count)s piece to take away.", "There are only %(count)s pieces to take away.", available
    )
    return text % {"count": available}


def tell(error: ServiceError) -> Told:
    """Returns what a host is told of an error."""
    if isinstance(error, NotEnoughStock):
        return Told("conflict", of_shortage(int(error.details["available"])), _("Nothing was changed."))
    if isinstance(error, Invalid):
        return Told("invalid", of_faults(error, FIELDS), _("Nothing was changed."))
    known = BY_KIND.get(error.kind) or next((told for kind, told in BY_ERROR.items() if isinstance(error, kind)), None)
    return known or Told("invalid", error.message)
