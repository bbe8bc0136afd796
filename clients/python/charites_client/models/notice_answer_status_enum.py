from enum import StrEnum


class NoticeAnswerStatusEnum(StrEnum):
    SUCCESS = "success"

    def __str__(self) -> str:
        return str(self.value)
