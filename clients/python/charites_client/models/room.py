from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.room_status import RoomStatus

T = TypeVar("T", bound="Room")


@_attrs_define
class Room:
    """
    Attributes:
        room_id (str):
        title (str):
        host_name (str):
        cover (str): the address of a picture; may be empty
        status (RoomStatus): * `live` - live
            * `off` - off
        started_at (datetime.datetime | None):
        current_goods_id (None | str): the product that is pinned
    """

    room_id: str
    title: str
    host_name: str
    cover: str
    status: RoomStatus
    started_at: datetime.datetime | None
    current_goods_id: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        room_id = self.room_id

        title = self.title

        host_name = self.host_name

        cover = self.cover

        status = self.status.value

        started_at: None | str
        if isinstance(self.started_at, datetime.datetime):
            started_at = self.started_at.isoformat()
        else:
            started_at = self.started_at

        current_goods_id: None | str
        current_goods_id = self.current_goods_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "room_id": room_id,
                "title": title,
                "host_name": host_name,
                "cover": cover,
                "status": status,
                "started_at": started_at,
                "current_goods_id": current_goods_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        room_id = d.pop("room_id")

        title = d.pop("title")

        host_name = d.pop("host_name")

        cover = d.pop("cover")

        status = RoomStatus(d.pop("status"))

        def _parse_started_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                started_at_type_0 = datetime.datetime.fromisoformat(data)

                return started_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        started_at = _parse_started_at(d.pop("started_at"))

        def _parse_current_goods_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        current_goods_id = _parse_current_goods_id(d.pop("current_goods_id"))

        room = cls(
            room_id=room_id,
            title=title,
            host_name=host_name,
            cover=cover,
            status=status,
            started_at=started_at,
            current_goods_id=current_goods_id,
        )

        room.additional_properties = d
        return room

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
