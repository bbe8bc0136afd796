from enum import StrEnum


class RefundStatus(StrEnum):
    DONE = "done"
    PENDING = "pending"
    REFUSED = "refused"
    REQUESTED = "requested"

    def __str__(self) -> str:
        return str(self.value)
