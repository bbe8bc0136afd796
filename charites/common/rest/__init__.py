"""REST: what every endpoint stands on."""

from charites.common.rest.content_policy import ContentPolicyMiddleware
from charites.common.rest.cross_origin import CrossOriginMiddleware, PreflightMiddleware
from charites.common.rest.documented import Answer, documented
from charites.common.rest.endpoint import (
    BearerAuthentication,
    Endpoint,
    OpenEndpoint,
    allowed,
    as_json,
    idempotency_key,
    identity_of,
    required_key,
    shown,
    valid_body,
    valid_query,
)
from charites.common.rest.fields import (
    AmountField,
    CountField,
    FlagField,
    IdField,
    KeyField,
    MomentField,
    NamedStatusField,
    OneOfField,
    QuantityField,
    SecretField,
    StrictSerializer,
    TextField,
    WholeNumberField,
)
from charites.common.rest.middleware import HostMiddleware, RequestMiddleware, sender
from charites.common.rest.pages import PagedSerializer, PageSerializer, cursor_of, paged
from charites.common.rest.refusals import exception_handler
from charites.common.rest.schema import IDEMPOTENCY_KEY
from charites.common.rest.status import STATUS, error_response, error_status, refusing

__all__ = [
    "IDEMPOTENCY_KEY",
    "STATUS",
    "AmountField",
    "Answer",
    "BearerAuthentication",
    "ContentPolicyMiddleware",
    "CountField",
    "CrossOriginMiddleware",
    "Endpoint",
    "FlagField",
    "HostMiddleware",
    "IdField",
    "KeyField",
    "MomentField",
    "NamedStatusField",
    "OneOfField",
    "OpenEndpoint",
    "PageSerializer",
    "PagedSerializer",
    "PreflightMiddleware",
    "QuantityField",
    "RequestMiddleware",
    "SecretField",
    "StrictSerializer",
    "TextField",
    "WholeNumberField",
    "allowed",
    "as_json",
    "cursor_of",
    "documented",
    "error_response",
    "error_status",
    "exception_handler",
    "idempotency_key",
    "identity_of",
    "paged",
    "refusing",
    "required_key",
    "sender",
    "shown",
    "valid_body",
    "valid_query",
]
