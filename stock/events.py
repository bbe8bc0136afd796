"""What happens to stock by hand, as lines of the log."""

from charites.common.events import Event

STOCK_ADJUSTED = Event("stock_adjusted", "Somebody added or took pieces by hand (`delta`).", ("goods_id", "delta"))
