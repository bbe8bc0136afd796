from django.utils.translation import gettext_lazy as _

from charites.common.errors import Kind, ServiceError
from charites.common.money import money


class GoodsCallFailed(ServiceError):
    """The goods service does not answer, or not in time."""

    kind = Kind.BUSY
    code = 50010001
    text = _("The goods service does not answer. Nothing was done; try again in a moment.")


class StockCallFailed(ServiceError):
    """The stock service does not answer, or not in time. What it may have reserved is given back."""

    kind = Kind.BUSY
    code = 50010002
    text = _("The stock service does not answer. No order was placed; try again in a moment.")


class OrderNotFound(ServiceError):
    """Unknown, or somebody else's: the caller cannot tell the two apart."""

    kind = Kind.NOT_FOUND
    code = 50010003
    text = _("There is no order %(order_id)s.")
    example = {"order_id": 1}


class OrderArchived(OrderNotFound):
    """The order ended long ago and has left the database; its number and its idempotency key stay used."""

    code = 50010018
    text = _("Order %(order_id)s has been archived: it can be neither shown nor changed here any more.")


class OrderStateConflict(ServiceError):
    """The order is not in the state that this step starts from."""

    kind = Kind.CONFLICT
    code = 50010006
    text = _("Order %(order_id)s cannot be %(wanted)s: it is %(found)s.")
    example = {"order_id": 1, "wanted": "paid", "found": "closed"}


class TooLateToPay(ServiceError):
    """A payment ends a while before its order, so that no money comes for one that is closed; none can begin then."""

    kind = Kind.CONFLICT
    code = 50010015
    text = _("It is too late to pay order %(order_id)s: it is closed in a moment.")
    example = {"order_id": 1}


class RefundTooLarge(ServiceError):
    """More than is left of the money that paid the order. What is on its way back counts as gone."""

    kind = Kind.CONFLICT
    code = 50010016
    text = _("%(left)s of order %(order_id)s can be refunded, not %(amount)s.")
    example = {"order_id": 1, "left": 9950, "amount": 19900, "currency": "CNY"}

    @property
    def message(self) -> str:
        """For people in the currency's own places; `details` keep its smallest units."""
        amounts = {name: money(self.details[name], self.details.get("currency")) for name in ("left", "amount")}
        return str(self.text) % {**self.details, **amounts}


class ReturnTooLarge(ServiceError):
    """More pieces than the order has of the product, less those that came back before."""

    kind = Kind.CONFLICT
    code = 50010017
    text = _("%(left)s pieces of product %(goods_id)s can come back with order %(order_id)s, not %(requested)s.")
    example = {"order_id": 1, "goods_id": 1, "left": 2, "requested": 3}

    @property
    def message(self) -> str:
        one = _("%(left)s piece of product %(goods_id)s can come back with order %(order_id)s, not %(requested)s.")
        return str(one if self.details["left"] == 1 else self.text) % self.details


class OrdersOpen(ServiceError):
    """A buyer is not forgotten while something is to be sent, or to be paid."""

    kind = Kind.CONFLICT
    code = 50010014
    text = _("These orders have not ended: %(order_ids)s. Close or complete them first.")
    example = {"order_ids": "1, 2"}


class OrderFailed(ServiceError):
    """Placing failed for a reason of ours; the log has the cause."""

    kind = Kind.INTERNAL
    code = 50010007
    text = _("The order could not be placed. Nothing was taken.")


class PaymentNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    code = 50010012
    text = _("There is no payment %(payment_id)s.")
    example = {"payment_id": 1}


class PaymentsUnavailable(ServiceError):
    """The provider does not answer, or none is configured."""

    kind = Kind.BUSY
    code = 50010010
    text = _("Payments are not available at present. Try again in a moment.")


class PaymentUnanswered(PaymentsUnavailable):
    """The provider was asked, and its answer is missing or makes no sense: it may have done it. To ask again is
    harmless."""

    kind = Kind.UNKNOWN
    code = 50010013
    text = _("The payment provider did not say what became of this. Look at the order, or try again in a moment.")


class BadSignature(ServiceError):
    """Forged, or signed with a secret that is not ours, or too old to be accepted."""

    kind = Kind.UNAUTHENTICATED
    code = 50010011
    text = _("The signature of this notice is not valid, or older than five minutes.")


class TooManyUnpaid(ServiceError):
    """The buyer has as many unpaid orders as a buyer may have."""

    kind = Kind.CONFLICT
    code = 50010008
    text = _("You have %(unpaid)s unpaid orders, and may have %(limit)s: pay or cancel one first.")
    example = {"unpaid": 5, "limit": 5}


class PriceChanged(ServiceError):
    """The buyer named the amount that was seen, and it is another one by now. Nothing was taken."""

    kind = Kind.CONFLICT
    code = 50010009
    text = _("The amount is %(amount)s now, not %(expected)s: the price has changed.")
    example = {"amount": 17900, "expected": 19900}

    @property
    def message(self) -> str:
        """For people in the currency's own places; `details` keep its smallest units."""
        return str(self.text) % {name: money(units) for name, units in self.details.items()}


class OverBuyersLimit(ServiceError):
    """More pieces than one buyer may have, counting those of all orders that are not closed."""

    kind = Kind.CONFLICT
    code = 40010008
    text = _("Of product %(goods_id)s a buyer may have %(limit)s; you have %(held)s and asked for %(requested)s.")
    example = {"goods_id": 1, "limit": 2, "held": 1, "requested": 2}
