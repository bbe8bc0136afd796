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
        reason (str): for staff, who find it as the refund's `note`
        amount (int | Unset): in cents; at most, and when left out, what is left of the order's payment
        currency (str | Unset): if given, it has to be that of the payment
        return_stock (bool | Unset): all pieces of the order that have not come back yet are available again Default:
            False.
        items (list[Item] | Unset): or these pieces alone
        idempotency_key (str | Unset): or the header Idempotency-Key; one of the two has to be there Example:
            order-2026-06-01-0001.
    """

    reason: str
    amount: int | Unset = UNSET
    currency: str | Unset = UNSET
    return_stock: bool | Unset = False
    items: list[Item] | Unset = UNSET
    idempotency_key: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        reason = self.reason

        amount = self.amount

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
                "reason": reason,
            }
        )
        if amount is not UNSET:
            field_dict["amount"] = amount
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
        reason = d.pop("reason")

        amount = d.pop("amount", UNSET)

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
            reason=reason,
            amount=amount,
            currency=currency,
            return_stock=return_stock,
            items=items,
            idempotency_key=idempotency_key,
        )

        return refund_order
