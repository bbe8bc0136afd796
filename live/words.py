"""What became of a press of a button, in a buyer's words and with what to do about it."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from charites.common.errors import Invalid, KeyReused, Kind, Limited, ServiceError
from goods.errors import GoodsNotFound, GoodsOffSale, SaleNotStarted, SaleOver
from live.shelf import Sale
from orders.errors import (
    OrderStateConflict,
    OverBuyersLimit,
    PaymentsUnavailable,
    PriceChanged,
    TooLateToPay,
    TooManyUnpaid,
)
from stock.errors import NotEnoughStock, StockNotFound


class Told(NamedTuple):
    """`state` stands in the page, for programs and for the style; `text` and `advice` are for people."""

    state: str
    text: str | Promise
    advice: str | Promise = ""

    @property
    def is_about_the_sale(self) -> bool:
        """Whether it is over as soon as the sale stands otherwise."""
        return self.state in list(Sale)


FIELDS = {
    "quantity": _("Pieces"),
    "name": _("Name"),
    "phone": _("Phone"),
    "address": _("Address"),
    "price": _("Price"),
    "expected_amount": _("Price"),
    "goods_id": _("Product"),
    "key": _("Form"),
    "idempotency_key": _("Form"),
}
BUSY = Told("busy", _("Very many people are buying right now. Nothing was ordered."), _("Press the button again."))
NOT_CHANGED = Told("busy", _("The shop is busy. Nothing was changed."), _("Press the button again."))
UNKNOWN = Told(
    "busy",
    _("We do not know yet whether that worked."),
    _("Press the same button again: it is done once, however often you press."),
)
BY_KIND = {Kind.BUSY: BUSY, Kind.UNKNOWN: UNKNOWN}
BY_ERROR: dict[type[ServiceError], Told] = {
    StockNotFound: Told("sold-out", _("Sold out."), _("Have a look at the other products.")),
    SaleNotStarted: Told("not-started", _("The sale has not started yet."), _("Come back at the time above.")),
    SaleOver: Told("over", _("This sale is over."), _("Have a look at the other products of the room.")),
    GoodsOffSale: Told("over", _("This is not for sale any more."), _("Have a look at the other products.")),
    GoodsNotFound: Told("over", _("This is not for sale any more."), _("Have a look at the other products.")),
    PriceChanged: Told("price-changed", _("The price has just changed."), _("Look at it, and press Buy again.")),
    TooManyUnpaid: Told(
        "limited", _("You have orders that are not paid yet."), _("Pay or cancel one of them below, then buy again.")
    ),
    KeyReused: Told(
        "conflict",
        _("What you pressed before was for something else, and may have been ordered."),
        _("Look at your orders below, then press Buy again."),
    ),
    Limited: Told("limited", _("That was too fast."), _("Wait a minute, then try again.")),
    TooLateToPay: Told("conflict", _("It is too late to begin a payment.")),
    PaymentsUnavailable: Told("busy", _("The payment provider does not answer."), _("Press the button again.")),
    OrderStateConflict: Told("conflict", _("This order has moved on in the meantime."), _("See below how it stands.")),
}


def tell(error: ServiceError, *, has_ordered: bool = False) -> Told:
    """Returns what a buyer is told of an error. `has_ordered`: the button was one of an order that there is."""
    if isinstance(error, NotEnoughStock):
        return of_shortage(int(error.details["available"]))
    if isinstance(error, OverBuyersLimit):
        return of_limit(int(error.details["limit"]), int(error.details["held"]))
    if isinstance(error, Invalid):
        return Told("invalid", of_faults(error, FIELDS))
    known = next((told for kind, told in BY_ERROR.items() if isinstance(error, kind)), BY_KIND.get(error.kind))
    if known is BUSY and has_ordered:
        return NOT_CHANGED
    return known or Told("invalid", error.message)


def of_faults(error: Invalid, names: Mapping[str, str | Promise]) -> str:
    """What is wrong with each field of a form, by the words that stand beside it there."""
    text = _("%(field)s: %(reason)s.")
    faults = [(fault.details["field"], fault.reason) for fault in (error, *error.others)]
    return " ".join(str(text) % {"field": names.get(field, field), "reason": reason} for field, reason in faults)


def of_shortage(available: int) -> Told:
    if available < 1:
        return Told("sold-out", _("Sold out."), _("Unpaid orders give their pieces back: they are shown here at once."))
    left = ngettext("Only %(count)s piece is left.", "Only %(count)s pieces are left.", available)
    return Told("sold-out", left % {"count": available}, _("Choose fewer pieces."))


def of_limit(limit: int, held: int) -> Told:
    text = ngettext("Each buyer may have %(count)s piece.", "Each buyer may have %(count)s pieces.", limit)
    advice = _("You have %(count)s already.") % {"count": held} if held else _("Choose fewer pieces.")
    return Told("limited", text % {"count": limit}, advice)
