from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="AddEndpoint")


@_attrs_define
class AddEndpoint:
    """
    Attributes:
        url (str): https://; no redirects are followed
        kinds (list[str]): names of events; docs/webhooks.md lists them
        description (str | Unset):
    """

    url: str
    kinds: list[str]
    description: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        url = self.url

        kinds = self.kinds

        description = self.description

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "url": url,
                "kinds": kinds,
            }
        )
        if description is not UNSET:
            field_dict["description"] = description

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        url = d.pop("url")

        kinds = cast(list[str], d.pop("kinds"))

        description = d.pop("description", UNSET)

        add_endpoint = cls(
            url=url,
            kinds=kinds,
            description=description,
        )

        return add_endpoint
