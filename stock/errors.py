from django.utils.translation import gettext_lazy as _

from charites.common.errors import Kind, ServiceError


class StockNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    code = 40010002
    text = _("There is no stock of product %(goods_id)s.")
    example = {"goods_id": 1}


class NotEnoughStock(ServiceError):
    kind = Kind.CONFLICT
    code = 40010003
    text = _("Not enough stock of product %(goods_id)s: %(requested)s asked for, %(available)s left.")
    example = {"goods_id": 1, "requested": 2, "available": 0}


class StockChanged(ServiceError):
    """The version that the caller read is not the present one; read again and retry."""

    kind = Kind.CONFLICT
    code = 40010004
    text = _("The stock of product %(goods_id)s changed in the meantime. Read it again and retry.")
    example = {"goods_id": 1}


class StockContended(ServiceError):
    """Every try met somebody else's change until time was up. Nothing was taken; the same call may be made again."""

    kind = Kind.BUSY
    code = 40010009
    text = _("The stock changed too often meanwhile. Nothing was taken; try again in a moment.")


class StockLockFailed(ServiceError):
    """The lock of a product was not to be had in time. Nothing was taken; the same call may be made again."""

    kind = Kind.BUSY
    code = 40010005
    text = _("The stock is locked by others. Nothing was taken; try again in a moment.")


class StockBusy(ServiceError):
    """Contention or a dependency: nothing was taken, the same call may be made again."""

    kind = Kind.BUSY
    code = 40010001
    text = _("The stock is busy. Nothing was taken; try again in a moment.")


class StockRolledBack(ServiceError):
    """The order's roll back arrived before (or after) its reservation: it can never take stock any more."""

    kind = Kind.CONFLICT
    code = 40010007
    text = _("The stock of order %(order_id)s was rolled back before; it cannot be taken again.")
    example = {"order_id": 1}


class ReservationOfAnother(ServiceError):
    """Only who reserved may confirm or roll back; what the shop's own orders reserved, nobody else moves."""

    kind = Kind.FORBIDDEN
    code = 40010011
    text = _("Somebody else reserved the stock of order %(order_id)s: it is not yours to move.")
    example = {"order_id": 1}


class RecordConflict(ServiceError):
    """The same order asked for something else before, or its stock is in a state that this step cannot start from."""

    kind = Kind.CONFLICT
    code = 40010010
    text = _("Order %(order_id)s: stock cannot be %(wanted)s, it is %(found)s.")
    example = {"order_id": 1, "wanted": "confirmed", "found": "rolled back"}
