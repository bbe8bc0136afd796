"""REST: what every endpoint stands on."""

from charites.common.rest.endpoint import (
    IDEMPOTENCY_KEY,
    BearerAuthentication,
    Endpoint,
    allowed,
    documented,
    idempotency_key,
    identity_of,
    shown,
    valid_body,
    valid_query,
)
from charites.common.rest.fields import IdField, QuantityField, StrictSerializer, TextField, WholeNumberField
from charites.common.rest.middleware import RequestMiddleware
from charites.common.rest.refusals import exception_handler
from charites.common.rest.status import STATUS, error_response, error_status

__all__ = [
    "IDEMPOTENCY_KEY",
    "STATUS",
    "BearerAuthentication",
    "Endpoint",
    "IdField",
    "QuantityField",
    "RequestMiddleware",
    "StrictSerializer",
    "TextField",
    "WholeNumberField",
    "allowed",
    "documented",
    "error_response",
    "error_status",
    "exception_handler",
    "idempotency_key",
    "identity_of",
    "shown",
    "valid_body",
    "valid_query",
]
