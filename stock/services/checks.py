"""What a request for stock has to look like."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.models import MAX_INT64, MAX_LINES


def check_order_id(order_id: int) -> None:
    if not 0 < order_id <= MAX_INT64:
        raise Invalid("order_id", _("is missing or out of range"))


def check_quantities(quantities: Mapping[int, int]) -> None:
    """Raises Invalid unless there are 1 to 100 goods with 1 to 2^63-1 pieces each."""
    if not 0 < len(quantities) <= MAX_LINES:
        raise Invalid("items", _("must be 1 to %(limit)s lines"), limit=MAX_LINES)
    for goods_id, number in quantities.items():
        check_goods_id(goods_id)
        if not 0 < number <= MAX_INT64:
            raise Invalid("quantity", _("must be 1 or more, and fit into an int64"))


def check_goods_id(goods_id: int) -> None:
    if not 0 < goods_id <= MAX_INT64:
        raise Invalid("goods_id", _("is missing or out of range"))
