"""The counter of orders by outcome, and how unforeseen errors leave a service."""

import structlog
from prometheus_client import Counter

from charites.common.errors import ServiceError
from orders.errors import OrderFailed
from stock.strategies.contract import Outcome

log = structlog.get_logger(__name__)

ORDERS = Counter("charites_orders", "Orders by outcome.", ["outcome"])


def foreseen(outcome: Outcome) -> ServiceError:
    """Makes the error of a move: those of the catalogue pass, anything else is hidden; the log has its stack."""
    error = outcome.as_error()
    if isinstance(error, ServiceError):
        return error
    log.error("order_failed", error=repr(outcome.error))
    return OrderFailed()
