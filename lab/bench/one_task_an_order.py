"""The peer of B8: a countdown for every order, as Celery alone would have it. An application whose worker has one task
that closes one order: `celery --app lab.bench.one_task_an_order worker`."""

from charites.celery import app

CLOSE_ONE = "bench_close_one"


@app.task(name=CLOSE_ONE)
def close_one(order_id: int) -> None:
    from charites.common import clock  # noqa: PLC0415 (Django is set up only when the worker starts)
    from orders.models import Order  # noqa: PLC0415
    from orders.payloads import Closing  # noqa: PLC0415
    from orders.services.closing import close  # noqa: PLC0415

    close({order_id: 0}, Closing(Order.ClosedBy.TIMEOUT, clock.now()))
