from enum import StrEnum


class ClosedBy(StrEnum):
    STAFF = "staff"
    STOCK = "stock"
    TIMEOUT = "timeout"
    USER = "user"

    def __str__(self) -> str:
        return str(self.value)
