from enum import StrEnum


class RoomStatus(StrEnum):
    LIVE = "live"
    OFF = "off"

    def __str__(self) -> str:
        return str(self.value)
