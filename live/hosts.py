"""Who stands at a desk: staff, each with what Django's permissions let them do, looked up anew with every request."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from charites.common.auth import Permission
from live.visitors import is_demo

DEMO_HOST = "staff"


class Part(Enum):
    """What there is at a desk, and the permissions of which one is enough: those that REST, or the admin, asks for."""

    PIN = (Permission.CHANGE_ROOM,)
    RESTOCK = (Permission.CHANGE_STOCK,)
    SELL = ("goods.change_goods",)
    ORDERS = (Permission.VIEW_ORDER, Permission.CHANGE_ORDER)


@dataclass(frozen=True, slots=True)
class Host:
    """A member of staff."""

    user: Any

    def may(self, part: Part) -> bool:
        return any(map(self.user.has_perm, part.value))

    @property
    def may_add_stock(self) -> bool:
        """Whether the first pieces of a product may be added, too."""
        return bool(self.user.has_perm(Permission.ADD_STOCK))

    @property
    def parts(self) -> dict[str, bool]:
        """For the page."""
        return {part.name.lower(): self.may(part) for part in Part}

    @property
    def name(self) -> str:
        """How columns of rows name whoever changed them, as in the admin."""
        return str(self.user.get_username())

    @property
    def actor(self) -> str:
        """How logs do."""
        return f"staff:{self.user.pk}"


def host_of(request: HttpRequest) -> Host | None:
    """Who stands here; None for whoever is no staff, or may do nothing here."""
    user = request.user if request.user.is_authenticated else demo_host(request)
    host = Host(user) if user and user.is_active and user.is_staff else None
    return host if host and any(map(host.may, Part)) else None


def demo_host(request: HttpRequest) -> Any | None:
    """In the demo, and on this machine alone, whoever has not signed in; as `Bearer staff` in the API."""
    return get_user_model().objects.filter(username=DEMO_HOST).first() if is_demo(request) else None
