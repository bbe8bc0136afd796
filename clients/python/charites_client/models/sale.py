from enum import StrEnum


class Sale(StrEnum):
    NOT_STARTED = "not-started"
    OPEN = "open"
    OVER = "over"
    SOLD_OUT = "sold-out"

    def __str__(self) -> str:
        return str(self.value)
