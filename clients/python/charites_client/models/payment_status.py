from enum import StrEnum


class PaymentStatus(StrEnum):
    BEGUN = "begun"
    CAPTURED = "captured"
    CLOSED = "closed"

    def __str__(self) -> str:
        return str(self.value)
