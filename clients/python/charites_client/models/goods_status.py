from enum import IntEnum


class GoodsStatus(IntEnum):
    ON_SALE = 0
    OFF_SALE = 1

    def __str__(self) -> str:
        return str(self.value)
