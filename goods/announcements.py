"""What other systems may hear of rooms."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from charites.common.announcements import Announcement, announce, declare, is_wanted

PINNED = declare("room.pinned", _("Another product is presented in a room, or none any more (goods_id is null)."))


def announce_pinned(room_ids: Sequence[int], goods_id: int | None) -> None:
    """Inside the transaction that pins it in these rooms."""
    if is_wanted(PINNED):
        pinned = None if goods_id is None else str(goods_id)
        announce(
            Announcement(PINNED, str(room_id), {"room_id": str(room_id), "goods_id": pinned}) for room_id in room_ids
        )
