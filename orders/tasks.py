"""The Celery countdown of order time-outs: an early call of what the sweep does anyway."""

from typing import Any

from celery import shared_task

from charites.common import clock, tracing
from charites.common.logs import note_actor, request_context
from orders import services


@shared_task(name=services.TIMEOUT_TASK)
def close_due(*, slot: int = 0, **kwargs: Any) -> int:
    """Closes overdue orders. Keyword arguments only, unknown ones ignored: old and new deployments overlap."""
    wake_up = tracing.span(services.TIMEOUT_TASK, kind="CONSUMER", carrier=kwargs, slot=slot)
    with request_context(task=services.TIMEOUT_TASK), wake_up:
        note_actor("worker")
        return services.close_due(now=clock.now())
