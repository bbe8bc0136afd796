from enum import StrEnum


class ListOrdersStatus(StrEnum):
    CLOSED = "closed"
    COMPLETED = "completed"
    PAID = "paid"
    UNPAID = "unpaid"

    def __str__(self) -> str:
        return str(self.value)
