from enum import StrEnum


class ListWebhookDeliveriesState(StrEnum):
    DEAD = "dead"
    DONE = "done"
    READY = "ready"

    def __str__(self) -> str:
        return str(self.value)
