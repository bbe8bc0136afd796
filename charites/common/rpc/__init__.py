"""gRPC: what servicers, server and clients stand on."""

from charites.common.rpc.adapter import REQUEST_ID_KEY, parse, told
from charites.common.rpc.client import Client, may_repeat
from charites.common.rpc.server import serving
from charites.common.rpc.servicer import (
    IDEMPOTENCY_KEY,
    Call,
    DeadlinePassed,
    Job,
    Method,
    Read,
    Servicer,
    allow,
    in_loop,
    installed_methods,
    merged,
    methods_of,
    required_id,
)
from charites.common.rpc.status import STATUS, as_status, error_in, read_error, rebuild, status_code

__all__ = [
    "IDEMPOTENCY_KEY",
    "REQUEST_ID_KEY",
    "STATUS",
    "Call",
    "Client",
    "DeadlinePassed",
    "Job",
    "Method",
    "Read",
    "Servicer",
    "allow",
    "as_status",
    "error_in",
    "in_loop",
    "installed_methods",
    "may_repeat",
    "merged",
    "methods_of",
    "parse",
    "read_error",
    "rebuild",
    "required_id",
    "serving",
    "status_code",
    "told",
]
