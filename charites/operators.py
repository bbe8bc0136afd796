"""What only those who run the shop need to see: its metrics, how each part of it is, and how it may be called."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from charites.common.errors import Unauthenticated
from charites.common.rest import error_response

View = Callable[..., HttpResponseBase]


def may_see(request: HttpRequest, part: str) -> bool:
    """Whether a part (see PUBLIC_PARTS) is everybody's, or the caller has the operators' token."""
    return is_open_to(request.headers.get("Authorization", ""), part)


def is_open_to(authorization: str, part: str) -> bool:
    """The same by the header alone."""
    return part in settings.PUBLIC_PARTS or has_token(authorization)


def has_token(authorization: str) -> bool:
    token = settings.OPERATORS_TOKEN
    return bool(token) and hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def seen_by_operators(part: str, view: View) -> View:
    """A view that is a part: others are asked for a token."""

    @wraps(view)
    def show(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if may_see(request, part):
            return view(request, *args, **kwargs)
        return error_response(request.path, Unauthenticated())

    return show
