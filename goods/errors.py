from django.utils.translation import gettext_lazy as _

from charites.common.errors import Kind, ServiceError


class GoodsNotFound(ServiceError):
    """Unknown or deleted."""

    kind = Kind.NOT_FOUND
    code = 30010001
    text = _("There is no product %(goods_id)s.")


class GoodsOffSale(ServiceError):
    kind = Kind.CONFLICT
    code = 30010005
    text = _("Product %(goods_id)s is not on sale at present.")


class RoomNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    code = 30010006
    text = _("There is no room %(room_id)s.")


class GoodsNotInRoom(ServiceError):
    kind = Kind.CONFLICT
    code = 30010004
    text = _("Product %(goods_id)s is not in the list of room %(room_id)s.")
