"""What happens in rooms, as lines of the log."""

from charites.common.events import Event

GOODS_PINNED = Event(
    "goods_pinned", "A room presents another product; `goods_id` is null: none.", ("room_id", "goods_id")
)
