"""Who calls, in which role, and with which of Django's permissions."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Forbidden, Invalid


class Role(StrEnum):
    CUSTOMER = "customer"  # own orders only
    STAFF = "staff"  # a customer who may also do what Django's permissions say
    SERVICE = "service"  # another service, no user of Django's: acts for any user id


class Permission(StrEnum):
    """Django's permissions that REST and gRPC ask for: what the admin would refuse, they refuse, too."""

    CHANGE_ROOM = "goods.change_room"  # pin a product
    ADD_STOCK = "stock.add_stock"  # the first pieces of a product
    CHANGE_STOCK = "stock.change_stock"  # set and adjust, sell, reserve and give back
    VIEW_ORDER = "orders.view_order"  # everybody's orders
    CHANGE_ORDER = "orders.change_order"  # pay, cancel and complete them
    VIEW_PAYMENT = "orders.view_payment"  # everybody's payments
    VIEW_REFUND = "orders.view_refund"  # everybody's refunds
    ADD_REFUND = "orders.add_refund"  # send money of a paid order back
    VIEW_MESSAGE = "messaging.view_message"  # what the shop sends to itself and to others
    VIEW_WEBHOOKS = "messaging.view_webhookendpoint"  # who is told of what
    ADD_WEBHOOKS = "messaging.add_webhookendpoint"
    CHANGE_WEBHOOKS = "messaging.change_webhookendpoint"  # their addresses, secrets and events
    DELETE_WEBHOOKS = "messaging.delete_webhookendpoint"
    VIEW_DELIVERIES = "messaging.view_webhookdelivery"  # what they were told, and what became of that
    CHANGE_DELIVERIES = "messaging.change_webhookdelivery"  # tell them again
    VIEW_PERSONAL_DATA = "orders.view_personal_data"  # names, phones and addresses of others


SEES_ORDERS = (Permission.VIEW_ORDER, Permission.CHANGE_ORDER)  # everybody's: who may change them sees them
SHOP_NAME = "orders"  # the shop's own service's: what it reserves stands behind the shop's orders
SERVICE_NAME = r"[a-z][a-z0-9_.-]{0,63}"  # none looks like a user's number: they stand in logs and stock records
Grant: TypeAlias = Role | Permission  # what a door asks for: a role, or staff with a permission


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls. `user_id` is 0 for a service that acts for nobody in particular; `name`: a service's; `permissions`:
    those of staff."""

    user_id: int
    role: Role
    name: str = ""
    permissions: Collection[Permission] = field(default=frozenset(), compare=False)

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def pk(self) -> int:
        return self.user_id

    @property
    def actor(self) -> str:
        """How logs, adjustments and stock records name the caller."""
        return f"{self.role.value}:{self.name or self.user_id}"

    @property
    def visible_user_id(self) -> int | None:
        """Whose orders the caller may see: the own ones; None means everybody's. Who may change them sees them, as in
        the admin."""
        is_for_all = self.may(Role.SERVICE, *SEES_ORDERS)
        return None if is_for_all else self.user_id

    @property
    def changeable_user_id(self) -> int | None:
        """Whose orders the caller may pay and cancel: the own ones; None means everybody's."""
        return None if self.may(Role.SERVICE, Permission.CHANGE_ORDER) else self.user_id

    @property
    def sees_personal_data(self) -> bool:
        """Whether the caller sees names, phones and addresses of others."""
        return self.may(Role.SERVICE, Permission.VIEW_PERSONAL_DATA)

    @property
    def has_fitting_name(self) -> bool:
        """Only services have names."""
        if self.name == "":
            return True
        return self.role is Role.SERVICE and re.fullmatch(SERVICE_NAME, str(self.name)) is not None

    @property
    def buyer_id(self) -> int:
        """Who buys where no user can be named. Raises Forbidden for a service that acts for nobody in particular."""
        if self.user_id < 1:
            raise Forbidden
        return self.user_id

    def may(self, *grants: Grant) -> bool:
        """Whether the caller has one of the roles or, being staff, one of the permissions."""
        is_permitted = self.role is Role.STAFF and any(permission in grants for permission in self.permissions)
        return self.role in grants or is_permitted

    def require(self, *grants: Grant) -> None:
        """Raises Forbidden unless the caller has one of the roles or permissions."""
        if not self.may(*grants):
            raise self.refusal(*grants)

    def refusal(self, *grants: Grant) -> Forbidden:
        """Why the caller, who has none of these, may not: staff are told the first permission that would do."""
        permissions = [str(grant) for grant in grants if isinstance(grant, Permission)]
        return Forbidden(permissions[0]) if permissions and self.role is Role.STAFF else Forbidden()

    def acting_for(self, user_id: int) -> int:
        """Returns the user this call is for: the caller, or (service role only) the one it names.

        Raises Forbidden for somebody else's id, Invalid when nobody is named at all.
        """
        if user_id and user_id != self.user_id:
            self.require(Role.SERVICE)
        if (acting := user_id or self.user_id) < 1:
            raise Invalid("user_id", _("is missing"))
        return acting
