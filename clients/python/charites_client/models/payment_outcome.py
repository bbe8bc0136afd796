from enum import StrEnum


class PaymentOutcome(StrEnum):
    NOW = "now"
    PAGE = "page"

    def __str__(self) -> str:
        return str(self.value)
