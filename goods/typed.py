"""What may stand in the columns of products and rooms that somebody typed, beside what holds for every text."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from charites.common.columns import tidy_row, typed_columns
from charites.common.errors import Invalid
from charites.common.links import find_bad_link
from goods.models import Goods, Room

LISTS = ("head_imgs", "videos", "detail")
LINKS = ("head_imgs", "videos")  # lists of addresses
COVER = "cover"


def goods_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns columns of a product, tidied. Raises Invalid, which names every one that is wrong."""
    check(find_faults_of_goods(values))
    return typed_columns(Goods, values)


def room_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a room."""
    check(find_faults_of_room(values))
    return typed_columns(Room, values)


def tidy_goods(goods: Goods) -> None:
    """Tidies a new product. Raises Invalid."""
    check(find_faults_of_goods(vars(goods)))
    tidy_row(goods)


def tidy_room(room: Room) -> None:
    """Tidies a new room. Raises Invalid."""
    check(find_faults_of_room(vars(room)))
    tidy_row(room)


def find_faults_of_goods(values: Mapping[str, Any]) -> Iterator[Invalid]:
    for name in LISTS:
        value = values.get(name, [])
        if not is_list_of_texts(value):
            yield Invalid(name, _("must be a list of texts"))
        elif name in LINKS and (fault := find_bad_link(name, value)):
            yield fault
    if not isinstance(values.get("ext_json", {}), dict):
        yield Invalid("ext_json", _("must be a JSON object"))


def find_faults_of_room(values: Mapping[str, Any]) -> Iterator[Invalid]:
    cover = values.get(COVER, "").strip()
    if cover and (fault := find_bad_link(COVER, [cover])):
        yield fault


def is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def check(found: Iterator[Invalid]) -> None:
    if faults := list(found):
        raise Invalid.of(faults)
