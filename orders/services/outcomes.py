"""The counter of orders by outcome, and how unforeseen errors leave a service."""

import structlog
from prometheus_client import Counter

from charites.common.errors import ServiceError
from orders.errors import OrderFailed
from stock.moves import Outcome

log = structlog.get_logger(__name__)

ORDERS = Counter("charites_orders", "Orders by outcome.", ["outcome"])


def foreseen(error: Exception | None) -> ServiceError:
    """Errors of the catalogue pass; anything else is logged and hidden."""
    if isinstance(error, ServiceError):
        return error
    log.error("order_failed", exc_info=error)
    return OrderFailed()


def error_of(outcome: Outcome) -> ServiceError:
    """Makes the error of a move that was not carried out."""
    if outcome.error and not issubclass(outcome.error, ServiceError):
        return OrderFailed()  # its stack is in the log
    return foreseen(outcome.as_error())
