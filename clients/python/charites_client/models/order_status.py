from enum import IntEnum


class OrderStatus(IntEnum):
    UNPAID = 100
    PAID = 200
    CLOSED = 300
    COMPLETED = 400

    def __str__(self) -> str:
        return str(self.value)
