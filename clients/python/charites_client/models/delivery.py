from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.delivery_state_enum import DeliveryStateEnum

if TYPE_CHECKING:
    from ..models.delivery_payload import DeliveryPayload


T = TypeVar("T", bound="Delivery")


@_attrs_define
class Delivery:
    """
    Attributes:
        delivery_id (str):
        event_id (str): the header webhook-id is this with evt_ before it
        event_type (str):
        key (str):
        payload (DeliveryPayload):
        happened_at (datetime.datetime):
        state (DeliveryStateEnum): * `ready` - ready
            * `done` - done
            * `dead` - dead
        attempts (int):
        next_try_at (datetime.datetime | None): not before the endpoint's paused_until; null while the endpoint is off
        done_at (datetime.datetime | None):
        last_error (str):
    """

    delivery_id: str
    event_id: str
    event_type: str
    key: str
    payload: DeliveryPayload
    happened_at: datetime.datetime
    state: DeliveryStateEnum
    attempts: int
    next_try_at: datetime.datetime | None
    done_at: datetime.datetime | None
    last_error: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        delivery_id = self.delivery_id

        event_id = self.event_id

        event_type = self.event_type

        key = self.key

        payload = self.payload.to_dict()

        happened_at = self.happened_at.isoformat()

        state = self.state.value

        attempts = self.attempts

        next_try_at: None | str
        if isinstance(self.next_try_at, datetime.datetime):
            next_try_at = self.next_try_at.isoformat()
        else:
            next_try_at = self.next_try_at

        done_at: None | str
        if isinstance(self.done_at, datetime.datetime):
            done_at = self.done_at.isoformat()
        else:
            done_at = self.done_at

        last_error = self.last_error

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "delivery_id": delivery_id,
                "event_id": event_id,
                "event_type": event_type,
                "key": key,
                "payload": payload,
                "happened_at": happened_at,
                "state": state,
                "attempts": attempts,
                "next_try_at": next_try_at,
                "done_at": done_at,
                "last_error": last_error,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.delivery_payload import DeliveryPayload

        d = dict(src_dict)
        delivery_id = d.pop("delivery_id")

        event_id = d.pop("event_id")

        event_type = d.pop("event_type")

        key = d.pop("key")

        payload = DeliveryPayload.from_dict(d.pop("payload"))

        happened_at = datetime.datetime.fromisoformat(d.pop("happened_at"))

        state = DeliveryStateEnum(d.pop("state"))

        attempts = d.pop("attempts")

        def _parse_next_try_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                next_try_at_type_0 = datetime.datetime.fromisoformat(data)

                return next_try_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        next_try_at = _parse_next_try_at(d.pop("next_try_at"))

        def _parse_done_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                done_at_type_0 = datetime.datetime.fromisoformat(data)

                return done_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        done_at = _parse_done_at(d.pop("done_at"))

        last_error = d.pop("last_error")

        delivery = cls(
            delivery_id=delivery_id,
            event_id=event_id,
            event_type=event_type,
            key=key,
            payload=payload,
            happened_at=happened_at,
            state=state,
            attempts=attempts,
            next_try_at=next_try_at,
            done_at=done_at,
            last_error=last_error,
        )

        delivery.additional_properties = d
        return delivery

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
