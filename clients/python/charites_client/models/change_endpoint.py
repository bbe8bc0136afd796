from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="ChangeEndpoint")


@_attrs_define
class ChangeEndpoint:
    """
    Attributes:
        url (str | Unset):
        kinds (list[str] | Unset): names of events; docs/webhooks.md lists them
        description (str | Unset):
        is_enabled (bool | Unset): true: begins anew, also after it was switched off
    """

    url: str | Unset = UNSET
    kinds: list[str] | Unset = UNSET
    description: str | Unset = UNSET
    is_enabled: bool | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        url = self.url

        kinds: list[str] | Unset = UNSET
        if not isinstance(self.kinds, Unset):
            kinds = self.kinds

        description: str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description

        is_enabled = self.is_enabled

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if url is not UNSET:
            field_dict["url"] = url
        if kinds is not UNSET:
            field_dict["kinds"] = kinds
        if description is not UNSET:
            field_dict["description"] = description
        if is_enabled is not UNSET:
            field_dict["is_enabled"] = is_enabled

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        url = d.pop("url", UNSET)

        kinds = cast(list[str], d.pop("kinds", UNSET))

        def _parse_description(data: object) -> str | Unset:
            if isinstance(data, Unset):
                return data
            return cast(str | Unset, data)

        description = _parse_description(d.pop("description", UNSET))

        is_enabled = d.pop("is_enabled", UNSET)

        change_endpoint = cls(
            url=url,
            kinds=kinds,
            description=description,
            is_enabled=is_enabled,
        )

        return change_endpoint
