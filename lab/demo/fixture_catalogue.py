"""The demo's rooms, goods, stock and users, from fixtures/catalogue.json.

Seeding restores what is missing and leaves what is there alone: goods that were edited, stock that moved, passwords
that were changed. So it may run before every start. A sale that is to start in so many seconds does so once, counted
from when it was seeded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Model

from charites.common.columns import tidy_row
from charites.common.strict_json import read_json
from charites.common.transactions import run
from goods.models import Goods, Room, RoomGoods
from stock import selectors as stock_selectors
from stock.services import Adjustment, adjust_stock

CATALOGUE = settings.BASE_DIR / "fixtures" / "catalogue.json"
ACTOR = "seed"
PASSWORD = "charites"
STAFF_GROUP = "shop staff"
OUR_APPS = ("goods", "stock", "orders", "messaging")
NOT_COLUMNS = ("stock", "sale_starts_in_seconds")
RULES = ("limit_per_buyer", "sale_starts_at")


class NoDemo(Exception):
    """Users with a well-known password are made only while DEMO or DEBUG is on."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many rows of one kind were missing and were made, and how many were there."""

    name: str
    made: int
    kept: int


def load_catalogue(*, now: datetime) -> list[Seeded]:
    """Makes the rooms, goods, stock and users of the catalogue that are missing. If it dies half way, run it again.

    Users are made for every service, because each has an admin; rooms, goods and stock only where this process serves
    them. Raises NoDemo outside of DEMO and DEBUG; nothing is written then.
    """
    if not (settings.DEMO or settings.DEBUG):
        raise NoDemo
    catalogue = read_catalogue()
    seeded = []
    if "goods" in settings.APPS:
        seeded += run(lambda: make_catalogue(catalogue, now), name="seed_goods")
    if "stock" in settings.APPS:
        seeded.append(make_stock(catalogue["goods"]))
    return [*seeded, run(lambda: make_users(catalogue["users"]), name="seed_users")]


def make_catalogue(catalogue: dict[str, list[dict[str, Any]]], now: datetime) -> list[Seeded]:
    rows = goods_rows(catalogue["goods"], now)
    return [
        insert_missing("goods", rows, ["goods_id"]),
        add_sale_rules(rows, now),
        make_rooms(catalogue["rooms"], now),
        make_lists(catalogue["rooms"]),
    ]


def read_catalogue() -> dict[str, list[dict[str, Any]]]:
    catalogue: dict[str, list[dict[str, Any]]] = read_json(CATALOGUE.read_bytes())
    return catalogue


def goods_rows(entries: Iterable[dict[str, Any]], now: datetime) -> list[Goods]:
    """A product that somebody marked as deleted stays deleted: its row is there."""
    return [Goods(created_by=ACTOR, updated_by=ACTOR, **columns_of(entry, now)) for entry in entries]


def columns_of(entry: dict[str, Any], now: datetime) -> dict[str, Any]:
    columns = {name: value for name, value in entry.items() if name not in NOT_COLUMNS}
    if seconds := entry.get("sale_starts_in_seconds"):
        columns["sale_starts_at"] = now + timedelta(seconds=seconds)
    return columns


def add_sale_rules(rows: Iterable[Goods], now: datetime) -> Seeded:
    """Gives goods that were seeded before there were rules of a sale theirs. What somebody has edited since stays as it
    is: its `updated_by` is another, or its version not the first one."""
    rules = {row.goods_id: row for row in rows if row.limit_per_buyer or row.sale_starts_at}
    untouched = Goods.objects.select_for_update().filter(
        goods_id__in=rules, updated_by=ACTOR, version=0, limit_per_buyer=0, sale_starts_at=None, sale_ends_at=None
    )
    changed = list(untouched.order_by("goods_id"))
    for goods in changed:
        for name in RULES:
            setattr(goods, name, getattr(rules[goods.goods_id], name))
        goods.version, goods.updated_at = goods.version + 1, now
    Goods.objects.bulk_update(changed, [*RULES, "version", "updated_at"])
    return Seeded("sale rules", len(changed), len(rules) - len(changed))


def make_rooms(entries: Iterable[dict[str, Any]], now: datetime) -> Seeded:
    rows = [
        Room(started_at=now, **{name: value for name, value in entry.items() if name != "goods"}) for entry in entries
    ]
    return insert_missing("rooms", rows, ["room_id"])


def make_lists(entries: Iterable[dict[str, Any]]) -> Seeded:
    rows = [
        RoomGoods(room_id=room["room_id"], created_by=ACTOR, updated_by=ACTOR, **entry)
        for room in entries
        for entry in room["goods"]
    ]
    return insert_missing("goods in rooms", rows, ["goods_id", "room_id"])


def insert_missing(name: str, rows: list[Any], key: list[str]) -> Seeded:
    """Inserts the rows whose unique key is not stored yet. Another seed at the same time is no error."""
    model: type[Model] = type(rows[0])
    for row in rows:
        tidy_row(row)
    stored = set(model._default_manager.values_list(*key))
    missing = [row for row in rows if tuple(getattr(row, column) for column in key) not in stored]
    model._default_manager.bulk_create(
        sorted(missing, key=lambda row: [getattr(row, column) for column in key]),
        update_conflicts=bool(missing),
        update_fields=key[:1],
        unique_fields=key if connection.features.supports_update_conflicts_with_target else None,
    )
    return Seeded(name, len(missing), len(rows) - len(missing))


def make_stock(entries: list[dict[str, Any]]) -> Seeded:
    """The first pieces of goods that never had stock; stock that exists is not touched."""
    stocked = {row.goods_id for row in stock_selectors.list_stock(goods_ids=[entry["goods_id"] for entry in entries])}
    adjustments = [
        Adjustment(
            goods_id=entry["goods_id"],
            delta=entry["stock"],
            reason="demo data",
            actor=ACTOR,
            idempotency_key=f"seed:goods:{entry['goods_id']}",
        )
        for entry in entries
        if entry["goods_id"] not in stocked
    ]
    adjust_stock(adjustments=adjustments)
    return Seeded("stock", len(adjustments), len(stocked))


def make_users(entries: list[dict[str, str]]) -> Seeded:
    """Demo users; hashing a password is slow on purpose, so only new users' are hashed."""
    known = set(
        User.objects.filter(username__in=[entry["username"] for entry in entries]).values_list("username", flat=True)
    )
    users = User.objects.bulk_create(
        User(username=entry["username"], password=make_password(PASSWORD), is_staff=entry["role"] == "staff")
        for entry in entries
        if entry["username"] not in known
    )
    group = make_staff_group()
    group.user_set.add(*[user for user in users if user.is_staff])
    return Seeded("users", len(users), len(known))


def make_staff_group() -> Group:
    """The group that may use everything of our apps in the admin; new models' permissions are added."""
    group, _ = Group.objects.get_or_create(name=STAFF_GROUP)
    group.permissions.add(*Permission.objects.filter(content_type__app_label__in=OUR_APPS))
    return group
