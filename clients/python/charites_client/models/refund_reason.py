from enum import StrEnum


class RefundReason(StrEnum):
    AMOUNT = "amount"
    DOUBLE = "double"
    LATE = "late"
    STAFF = "staff"
    STOCK = "stock"

    def __str__(self) -> str:
        return str(self.value)
