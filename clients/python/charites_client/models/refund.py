from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.refund_reason import RefundReason
from ..models.refund_status import RefundStatus

if TYPE_CHECKING:
    from ..models.returned import Returned


T = TypeVar("T", bound="Refund")


@_attrs_define
class Refund:
    """
    Attributes:
        refund_id (str):
        payment_id (str): the payment that brought the money
        order_id (str):
        amount (int): in cents
        currency (str): by ISO 4217
        reason (RefundReason): * `late` - late
            * `double` - double
            * `amount` - wrong amount
            * `stock` - no stock
            * `staff` - by staff
        items (list[Returned]): pieces that came back with it
        status (RefundStatus): * `pending` - pending
            * `requested` - requested
            * `done` - done
            * `refused` - refused
        attempts (int): how often it was tried to send it
        created_at (datetime.datetime):
        done_at (datetime.datetime | None):
    """

    refund_id: str
    payment_id: str
    order_id: str
    amount: int
    currency: str
    reason: RefundReason
    items: list[Returned]
    status: RefundStatus
    attempts: int
    created_at: datetime.datetime
    done_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        refund_id = self.refund_id

        payment_id = self.payment_id

        order_id = self.order_id

        amount = self.amount

        currency = self.currency

        reason = self.reason.value

        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        status = self.status.value

        attempts = self.attempts

        created_at = self.created_at.isoformat()

        done_at: None | str
        if isinstance(self.done_at, datetime.datetime):
            done_at = self.done_at.isoformat()
        else:
            done_at = self.done_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "refund_id": refund_id,
                "payment_id": payment_id,
                "order_id": order_id,
                "amount": amount,
                "currency": currency,
                "reason": reason,
                "items": items,
                "status": status,
                "attempts": attempts,
                "created_at": created_at,
                "done_at": done_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.returned import Returned

        d = dict(src_dict)
        refund_id = d.pop("refund_id")

        payment_id = d.pop("payment_id")

        order_id = d.pop("order_id")

        amount = d.pop("amount")

        currency = d.pop("currency")

        reason = RefundReason(d.pop("reason"))

        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = Returned.from_dict(items_item_data)

            items.append(items_item)

        status = RefundStatus(d.pop("status"))

        attempts = d.pop("attempts")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

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

        refund = cls(
            refund_id=refund_id,
            payment_id=payment_id,
            order_id=order_id,
            amount=amount,
            currency=currency,
            reason=reason,
            items=items,
            status=status,
            attempts=attempts,
            created_at=created_at,
            done_at=done_at,
        )

        refund.additional_properties = d
        return refund

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
