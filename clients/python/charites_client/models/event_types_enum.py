from enum import StrEnum


class EventTypesEnum(StrEnum):
    ORDER_CLOSED = "order.closed"
    ORDER_COMPLETED = "order.completed"
    ORDER_PAID = "order.paid"
    ORDER_PLACED = "order.placed"
    ORDER_REFUNDED = "order.refunded"
    ROOM_PINNED = "room.pinned"
    STOCK_BACK = "stock.back"
    STOCK_LOW = "stock.low"
    STOCK_SOLD_OUT = "stock.sold_out"

    def __str__(self) -> str:
        return str(self.value)
