"""What other systems may hear of stock: it is nearly gone, it is sold out, it is back."""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.announcements import Announcement, Kind, announce, declare, is_wanted

LOW = declare(
    "stock.low",
    _(
        "No more than STOCK_LOW pieces of a product are available, and more were before. "
        "What falls to 0 at once is sold out alone."
    ),
)
SOLD_OUT = declare("stock.sold_out", _("Nothing of a product is available any more."))
BACK = declare("stock.back", _("A product of which nothing was available is available, also for the first time."))


class Change(NamedTuple):
    """What is available of a product has changed by so many pieces, and is so many now."""

    goods_id: int
    by: int
    available: int


def announce_changes(changes: Iterable[Change]) -> None:
    """Inside the transaction that has made these changes, under the locks of their rows."""
    if not is_wanted(LOW, SOLD_OUT, BACK):
        return
    found = [
        Announcement(kind, str(change.goods_id), {"goods_id": str(change.goods_id), "available": change.available})
        for change in changes
        for kind in kinds_of(change.available - change.by, change.available)
    ]
    if found:
        announce(found)


def kinds_of(before: int, after: int) -> list[Kind]:
    """What a change from so many to so many pieces is called."""
    if before == after:
        return []
    low = settings.STOCK_LOW
    if after == 0:
        return [SOLD_OUT] if before > 0 else []
    back = [BACK] if before == 0 else []
    return [*back, *([LOW] if after <= low < before else [])]
