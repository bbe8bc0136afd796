from enum import StrEnum


class ListMessagesState(StrEnum):
    ABORTED = "aborted"
    DEAD = "dead"
    DONE = "done"
    HALF = "half"
    READY = "ready"

    def __str__(self) -> str:
        return str(self.value)
