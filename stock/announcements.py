"""What other systems may hear of stock: it is nearly gone, it is sold out, it is back."""

from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.announcements import Announcement, Kind, announce, declare, is_wanted
from stock.selectors import list_stock

LOW = declare(
    "stock.low",
    _(
        "No more than STOCK_LOW pieces of a product are available, and more were before. "
        "What falls to 0 at once is sold out alone."
    ),
)
SOLD_OUT = declare("stock.sold_out", _("Nothing of a product is available any more."))
BACK = declare("stock.back", _("A product of which nothing was available is available, also for the first time."))


def announce_changes(changes: Mapping[int, int]) -> None:
    """Inside the transaction that has changed what is available of products (goods_id -> by how much), under the locks
    of their rows."""
    changed = {goods_id: delta for goods_id, delta in changes.items() if delta}
    if not changed or not is_wanted(LOW, SOLD_OUT, BACK):
        return
    found = [
        Announcement(kind, str(row.goods_id), {"goods_id": str(row.goods_id), "available": row.available})
        for row in list_stock(goods_ids=sorted(changed))
        for kind in kinds_of(row.available - changed[row.goods_id], row.available)
    ]
    if found:
        announce(found)


def kinds_of(before: int, after: int) -> list[Kind]:
    """What a change from so many to so many pieces is called."""
    low = settings.STOCK_LOW
    if after == 0:
        return [SOLD_OUT] if before > 0 else []
    back = [BACK] if before == 0 else []
    return [*back, *([LOW] if after <= low < before else [])]
