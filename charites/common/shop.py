"""Which shop this is: whoever works on the same database is one shop, and several may share a Redis or a broker."""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings


def shop_of(database: Mapping[str, Any]) -> str:
    """Returns a short name for Django's description of a database: of where it is, not of who asks."""
    return _shop(str(database.get("HOST", "")), str(database.get("PORT", "")), str(database["NAME"]))


@cache
def _shop(host: str, port: str, name: str) -> str:
    return hashlib.sha256(f"{host}:{port}/{name}".encode()).hexdigest()[:8]


def key_of_shop(key: str) -> str:
    """Returns the name of something of this shop in a Redis that others may use."""
    return f"charites:{shop_of(settings.DATABASES['default'])}:{key}"


def cache_key(key: str, prefix: str, version: int) -> str:
    """Django's KEY_FUNCTION."""
    return key_of_shop(f"{prefix}:{version}:{key}")
