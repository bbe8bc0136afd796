from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.payment_outcome import PaymentOutcome
from ..types import UNSET, Unset

T = TypeVar("T", bound="PayOrder")


@_attrs_define
class PayOrder:
    """
    Attributes:
        outcome (PaymentOutcome | Unset): * `now` - pay at once
            * `page` - wait for the pay page
    """

    outcome: PaymentOutcome | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        outcome: str | Unset = UNSET
        if not isinstance(self.outcome, Unset):
            outcome = self.outcome.value

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if outcome is not UNSET:
            field_dict["outcome"] = outcome

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        _outcome = d.pop("outcome", UNSET)
        outcome: PaymentOutcome | Unset
        if isinstance(_outcome, Unset):
            outcome = UNSET
        else:
            outcome = PaymentOutcome(_outcome)

        pay_order = cls(
            outcome=outcome,
        )

        return pay_order
