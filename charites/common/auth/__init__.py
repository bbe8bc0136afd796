"""One bearer token for REST and gRPC: who calls, what that caller may do, and how a token comes and ends."""

from charites.common.auth.headers import DEMO_SERVICE_HEADER, identify_at_once, nobody, read_authorization
from charites.common.auth.identity import SEES_ORDERS, SERVICE_NAME, SHOP_NAME, Grant, Identity, Permission, Role
from charites.common.auth.pruning import prune
from charites.common.auth.sessions import TokenPair, begin_session, end_sessions, refresh, sign_in
from charites.common.auth.standing import end_tokens, name_of
from charites.common.auth.tokens import LEEWAY_SECONDS, issue_token, service_header, sign_content, verify_content

__all__ = [
    "DEMO_SERVICE_HEADER",
    "LEEWAY_SECONDS",
    "SEES_ORDERS",
    "SERVICE_NAME",
    "SHOP_NAME",
    "Grant",
    "Identity",
    "Permission",
    "Role",
    "TokenPair",
    "begin_session",
    "end_sessions",
    "end_tokens",
    "identify_at_once",
    "issue_token",
    "name_of",
    "nobody",
    "prune",
    "read_authorization",
    "refresh",
    "service_header",
    "sign_content",
    "sign_in",
    "verify_content",
]
