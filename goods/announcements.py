"""What other systems may hear of rooms."""

from django.utils.translation import gettext_lazy as _

from charites.common.announcements import Announcement, announce, declare, is_wanted

PINNED = declare("room.pinned", _("Another product is presented in a room, or none any more (`goods_id`: null)."))


def announce_pinned(room_id: int, goods_id: int | None) -> None:
    """Inside the transaction that pins it."""
    if is_wanted(PINNED):
        data = {"room_id": str(room_id), "goods_id": None if goods_id is None else str(goods_id)}
        announce([Announcement(PINNED, str(room_id), data)])
