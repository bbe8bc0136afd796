from enum import StrEnum


class ListRoomsStatus(StrEnum):
    ALL = "all"
    LIVE = "live"
    OFF = "off"

    def __str__(self) -> str:
        return str(self.value)
