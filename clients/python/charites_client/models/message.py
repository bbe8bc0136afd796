from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.message_state import MessageState

if TYPE_CHECKING:
    from ..models.message_payload import MessagePayload


T = TypeVar("T", bound="Message")


@_attrs_define
class Message:
    """
    Attributes:
        message_id (str):
        topic (str):
        key (str): of what it is about; several messages may have the same
        payload (MessagePayload):
        state (MessageState): * `half` - half
            * `ready` - ready
            * `done` - done
            * `aborted` - aborted
            * `dead` - dead
        deliver_at (datetime.datetime): when it is delivered, or tried again
        attempts (int): how often it was tried
        last_error (str): why it was not taken the last time; may be empty
        created_at (datetime.datetime):
    """

    message_id: str
    topic: str
    key: str
    payload: MessagePayload
    state: MessageState
    deliver_at: datetime.datetime
    attempts: int
    last_error: str
    created_at: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        message_id = self.message_id

        topic = self.topic

        key = self.key

        payload = self.payload.to_dict()

        state = self.state.value

        deliver_at = self.deliver_at.isoformat()

        attempts = self.attempts

        last_error = self.last_error

        created_at = self.created_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "message_id": message_id,
                "topic": topic,
                "key": key,
                "payload": payload,
                "state": state,
                "deliver_at": deliver_at,
                "attempts": attempts,
                "last_error": last_error,
                "created_at": created_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.message_payload import MessagePayload

        d = dict(src_dict)
        message_id = d.pop("message_id")

        topic = d.pop("topic")

        key = d.pop("key")

        payload = MessagePayload.from_dict(d.pop("payload"))

        state = MessageState(d.pop("state"))

        deliver_at = datetime.datetime.fromisoformat(d.pop("deliver_at"))

        attempts = d.pop("attempts")

        last_error = d.pop("last_error")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        message = cls(
            message_id=message_id,
            topic=topic,
            key=key,
            payload=payload,
            state=state,
            deliver_at=deliver_at,
            attempts=attempts,
            last_error=last_error,
            created_at=created_at,
        )

        message.additional_properties = d
        return message

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
