from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.item import Item


T = TypeVar("T", bound="RefundOrder")


@_attrs_define
class RefundOrder:
    """What an operator may say. Never more goes back than came in.

    Attributes:
        amount (int): in cents; at most what is left of the order's payment
        reason (str): for staff, who find it as the refund's `note`
        currency (str | Unset): if given, it has to be that of the payment
        return_stock (bool | Unset): all pieces of the order that have not come back yet are available again Default:
            False.
        items (list[Item] | Unset): or these pieces alone
        idempotency_key (str | Unset): or the header Idempotency-Key; one of the two has to be there Example:
            order-2026-06-01-0001.
    """

    amount: int
    reason: str
    currency: str | Unset = UNSET
    return_stock: bool | Unset = False
    items: list[Item] | Unset = UNSET
    idempotency_key: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        amount = self.amount

        reason = self.reason

        currency = self.currency

        return_stock = self.return_stock

        items: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.items, Unset):
            items = []
            for items_item_data in self.items:
                items_item = items_item_data.to_dict()
                items.append(items_item)

        idempotency_key = self.idempotency_key

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "amount": amount,
                "reason": reason,
            }
        )
        if currency is not UNSET:
            field_dict["currency"] = currency
        if return_stock is not UNSET:
            field_dict["return_stock"] = return_stock
        if items is not UNSET:
            field_dict["items"] = items
        if idempotency_key is not UNSET:
            field_dict["idempotency_key"] = idempotency_key

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.item import Item

        d = dict(src_dict)
        amount = d.pop("amount")

        reason = d.pop("reason")

        currency = d.pop("currency", UNSET)

        return_stock = d.pop("return_stock", UNSET)

        _items = d.pop("items", UNSET)
        items: list[Item] | Unset = UNSET
        if _items is not UNSET:
            items = []
            for items_item_data in _items:
                items_item = Item.from_dict(items_item_data)

                items.append(items_item)

        idempotency_key = d.pop("idempotency_key", UNSET)

        refund_order = cls(
            amount=amount,
            reason=reason,
            currency=currency,
            return_stock=return_stock,
            items=items,
            idempotency_key=idempotency_key,
        )

        return refund_order
