from enum import StrEnum


class RoleEnum(StrEnum):
    CUSTOMER = "customer"
    SERVICE = "service"
    STAFF = "staff"

    def __str__(self) -> str:
        return str(self.value)
