"""Signing in, and renewing what that gave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model

from charites.common.auth.identity import Role
from charites.common.auth.standing import permissions_of
from charites.common.auth.tokens import REFRESH, encode, issue_token, verify
from charites.common.errors import Unauthenticated, WrongPassword


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str
    refresh: str


def sign_in(*, username: str, password: str, now: datetime) -> TokenPair:
    """Returns a token pair. Raises WrongPassword, also for unknown and disabled users."""
    user = authenticate(username=username, password=password)
    if user is None:
        raise WrongPassword
    return issue_pair(user=user, now=now)


def refresh(*, token: str, now: datetime) -> TokenPair:
    """Returns a new pair for a refresh token; the role is read afresh. Raises Unauthenticated."""
    user_id = verify(token, REFRESH).identity.user_id
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise Unauthenticated
    return issue_pair(user=user, now=now)


def issue_pair(*, user: Any, now: datetime) -> TokenPair:
    """Returns an access token and the refresh token that renews it."""
    role = Role.STAFF if user.is_staff else Role.CUSTOMER
    permissions = permissions_of(user) if user.is_staff else ()
    return TokenPair(
        access=issue_token(user_id=user.pk, role=role, now=now, permissions=permissions),
        refresh=encode(user_id=user.pk, role=role, purpose=REFRESH, now=now, seconds=settings.TOKEN_REFRESH_SECONDS),
    )
