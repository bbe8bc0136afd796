from enum import StrEnum


class Role(StrEnum):
    CUSTOMER = "customer"
    SERVICE = "service"
    STAFF = "staff"

    def __str__(self) -> str:
        return str(self.value)
