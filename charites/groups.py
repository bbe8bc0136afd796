"""Groups of staff to begin with. `migrate` makes those that are missing, and leaves alone what is there: what an
operator has taken from a group, or given to it, stays."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.db.models.signals import post_migrate

from charites.common.transactions import joined

OUR_APPS = ("goods", "stock", "orders", "messaging")
PERSONAL = "view_personal_data"

ROOMS = {"view_room", "change_room", "view_roomgoods", "add_roomgoods", "change_roomgoods"}  # and what is pinned
SALE = {"view_goods", "change_goods", "view_stock"}
ORDERS = {"view_order", "view_orderdetail"}


def is_of_host(codename: str) -> bool:
    return codename in ROOMS | SALE | ORDERS


def is_of_operator(codename: str) -> bool:
    """All that there is of ours; users and groups are Django's."""
    return True


def is_of_viewer(codename: str) -> bool:
    return codename.startswith("view_") and codename != PERSONAL


GROUPS = {"host": is_of_host, "operator": is_of_operator, "viewer": is_of_viewer}


def connect() -> None:
    """After the last app that has tables: only then every permission is there."""
    *_, last = [app for app in installed.get_app_configs() if app.models_module]
    post_migrate.connect(make_groups, sender=last, dispatch_uid="charites.groups")


def make_groups(*, using: str, apps: Apps = installed, **_: Any) -> None:
    """Makes the groups that are missing. The same again changes nothing."""
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # one app alone is migrated, before Django's users are
        return
    ours = permissions.objects.using(using).filter(content_type__app_label__in=OUR_APPS)
    known = set(groups.objects.using(using).filter(name__in=GROUPS).values_list("name", flat=True))
    for name in [name for name in GROUPS if name not in known]:
        with joined():  # or one that is made, and may nothing, would be left alone ever after
            group, is_new = groups.objects.using(using).get_or_create(name=name)
            if is_new:
                group.permissions.set(chosen(ours, name))


def chosen(permissions: Iterable[Any], name: str) -> list[Any]:
    return [permission for permission in permissions if GROUPS[name](permission.codename)]
