"""How many were turned away, and why: counted at the door where they are told so."""

from prometheus_client import Counter

from charites.common.errors import Kind, ServiceError

BUSY = Counter("charites_busy", "Callers who were told that the shop is busy, by why.", ["why"])
LIMITED = Counter("charites_limited", "Callers who were told that they ask too often, by the error.", ["error"])


def count_refusal(error: ServiceError) -> None:
    """Counts a caller who is told an error, if it is one that operators have to know of."""
    if error.kind is Kind.BUSY:
        BUSY.labels(getattr(error, "why", None) or type(error).__name__).inc()
    elif error.kind is Kind.LIMITED:
        LIMITED.labels(type(error).__name__).inc()
