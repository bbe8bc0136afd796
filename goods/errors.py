from django.utils.translation import gettext_lazy as _

from charites.common.errors import Kind, ServiceError


class GoodsNotFound(ServiceError):
    """Unknown or deleted."""

    kind = Kind.NOT_FOUND
    code = 30010001
    text = _("There is no product %(goods_id)s.")
    example = {"goods_id": 1}


class GoodsOffSale(ServiceError):
    kind = Kind.CONFLICT
    code = 30010005
    text = _("Product %(goods_id)s is not on sale at present.")
    example = {"goods_id": 1}


class SaleNotStarted(ServiceError):
    """`starts_at`: when the sale begins, in UTC."""

    kind = Kind.CONFLICT
    code = 30010002
    text = _("Product %(goods_id)s is not on sale yet: its sale starts at %(starts_at)s.")
    example = {"goods_id": 1, "starts_at": "2026-06-01T12:00:00Z"}


class SaleOver(ServiceError):
    """`ended_at`: when the sale ended, in UTC."""

    kind = Kind.CONFLICT
    code = 30010003
    text = _("The sale of product %(goods_id)s is over: it ended at %(ended_at)s.")
    example = {"goods_id": 1, "ended_at": "2026-06-01T12:00:00Z"}


class RoomNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    code = 30010006
    text = _("There is no room %(room_id)s.")
    example = {"room_id": 1}


class GoodsNotInRoom(ServiceError):
    kind = Kind.CONFLICT
    code = 30010004
    text = _("Product %(goods_id)s is not in the list of room %(room_id)s.")
    example = {"goods_id": 1, "room_id": 1}
