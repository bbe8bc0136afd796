"""Refunds that people ask for: money of a paid order, whole or in parts, and pieces of it that came back.

    lock the payments that brought the money, then their orders: of two operators the second waits here
    a key that is stored answers its refund, whatever has become of the order since, until the order is archived
    what is left: what came in, less every refund that the provider has not refused
    insert the refunds, the pieces that came back, and the messages that carry both out

An order keeps its status: that it was paid, or completed, stays true. Why: docs/adr/0036-refunds-by-people.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid, KeyReused, ServiceError
from charites.common.ids import next_ids
from charites.common.models import MAX_INT64, MAX_LINES, REASON_LENGTH
from charites.common.text import TextRule, check_key, check_texts
from charites.common.transactions import Undone, reading_the_answer, run
from messaging.services import Draft, publish_many
from orders.errors import OrderStateConflict, RefundTooLarge, ReturnTooLarge
from orders.events import REFUND_REQUESTED
from orders.models import Refund, RefundLine
from orders.payloads import RefundOrder
from orders.refunds import REQUESTED_TOPIC, RETURN_TOPIC, Account, read_accounts
from orders.selectors import RefundWithPieces, explain_missing, list_by_refund_ids, with_pieces

REASON = TextRule("reason", REASON_LENGTH)


@dataclass(frozen=True, slots=True)
class RequestedRefund:
    """What became of a command: its refund with the pieces that came back, `is_new` or of the same key before; or the
    error."""

    refund: Refund | None = None
    pieces: Sequence[RefundLine] = ()
    is_new: bool = False
    error: ServiceError | None = None


def refund_order(*, command: RefundOrder) -> RequestedRefund:
    """`refund_orders` for one. Raises its error, Busy, OutcomeUnknown."""
    (requested,) = refund_orders(commands=[command])
    if requested.error:
        raise requested.error
    return requested


def refund_orders(*, commands: Sequence[RefundOrder]) -> list[RequestedRefund]:
    """Writes down what is to be sent back, and which pieces have come back, in one transaction; one answer a command,
    in order. The money leaves, and the pieces become available, by messages that commit with it.

    Never more than what came in, first come first served; one that is refused does not disturb the others. Errors:
    OrderNotFound, OrderArchived, OrderStateConflict (not paid), RefundTooLarge, ReturnTooLarge, KeyReused. Raises
    Invalid, Busy, OutcomeUnknown.
    """
    for command in commands:
        check_command(command)
    numbers = next_ids(len(commands))
    outcomes: list[RequestedRefund] = []

    def work() -> None:
        outcomes[:] = write_refunds(commands, numbers)

    def find() -> Undone | None:
        """After a COMMIT without a reply: whether the refunds with our numbers are there."""
        new = [outcome.refund.own_id for outcome in outcomes if outcome.refund and outcome.is_new]
        rows = Refund.objects.filter(refund_id__in=new).order_by("pk").select_for_update()
        return None if not new or list(rows) else Undone.BUSY

    run(work, name="refund_orders", find=find)
    for outcome in outcomes:
        if outcome.refund and outcome.is_new:
            tell(outcome.refund)
    with reading_the_answer():
        return as_stored(outcomes)


def check_command(command: RefundOrder) -> None:
    """Raises Invalid for what is wrong whatever the order is."""
    check_key(command.idempotency_key)
    check_texts((REASON, command.reason))
    if command.amount is not None and not 0 < command.amount <= MAX_INT64:
        raise Invalid("amount", _("must be 1 or more, and fit into an int64"))
    if command.returns_all and command.returned:
        raise Invalid("return_stock", _("excludes items: it means all pieces"))
    if len(command.returned) > MAX_LINES:
        raise Invalid("items", _("must be %(limit)s lines at most"), limit=MAX_LINES)
    for goods_id, quantity in command.returned.items():
        if not 0 < goods_id <= MAX_INT64:
            raise Invalid("goods_id", _("is missing or out of range"))
        if not 0 < quantity <= MAX_INT64:
            raise Invalid("quantity", _("must be 1 or more, and fit into an int64"))


def write_refunds(commands: Sequence[RefundOrder], numbers: Sequence[int]) -> list[RequestedRefund]:
    """Between BEGIN and COMMIT: see the module."""
    order_ids = {command.order_id for command in commands}
    accounts = read_accounts(order_ids=order_ids, locked=True)
    missing = explain_missing(order_ids=sorted(order_ids - accounts.keys()))
    pieces: list[RefundLine] = []
    outcomes = []
    for command, number in zip(commands, numbers, strict=True):
        try:
            if command.order_id in missing:
                raise missing[command.order_id]
            outcomes.append(decide(command, accounts[command.order_id], number, pieces))
        except ServiceError as error:
            outcomes.append(RequestedRefund(error=error))
    store([outcome.refund for outcome in outcomes if outcome.refund and outcome.is_new], pieces)
    return outcomes


def decide(command: RefundOrder, account: Account, number: int, pieces: list[RefundLine]) -> RequestedRefund:
    """What becomes of a command; notes it in the account, and adds to the pieces that come back."""
    if stored := account.find(command.idempotency_key):
        if stored.request_digest != command.digest():
            raise KeyReused(key=command.idempotency_key)
        return RequestedRefund(stored)
    order, payment = account.order, account.payment
    if payment is None or not account.is_refundable:
        raise OrderStateConflict(order_id=order.order_id, wanted=_("refunded"), found=order.get_status_display())
    if command.currency not in (None, payment.currency):
        raise Invalid("currency", _("must be %(currency)s, in which the order was paid"), currency=payment.currency)
    amount = account.left if command.amount is None else command.amount
    if not amount:
        raise OrderStateConflict(order_id=order.order_id, wanted=_("refunded"), found=_("refunded already"))
    if amount > account.left:
        about = {"order_id": order.order_id, "currency": payment.currency}
        raise RefundTooLarge(**about, left=account.left, amount=amount)
    returned = pieces_of(command, account)
    refund = Refund(
        own_id=number,
        payment_id=payment.payment_id,
        order_id=order.order_id,
        amount=amount,
        currency=payment.currency,
        reason=Refund.Reason.STAFF,
        status=Refund.Status.REQUESTED,
        actor=command.actor,
        note=command.reason,
        idempotency_key=command.idempotency_key,
        request_digest=command.digest(),
    )
    account.refunds.append(refund)
    account.returned.update(returned)
    pieces += [
        RefundLine(refund_id=number, order_id=order.order_id, goods_id=goods_id, num=num)
        for goods_id, num in sorted(returned.items())
    ]
    return RequestedRefund(refund, is_new=True)


def pieces_of(command: RefundOrder, account: Account) -> Mapping[int, int]:
    """Which pieces come back: goods_id -> pieces. Raises ReturnTooLarge."""
    left = account.kept
    if command.returns_all:
        return left
    for goods_id, requested in command.returned.items():
        if requested > left[goods_id]:
            about = {"order_id": command.order_id, "goods_id": goods_id}
            raise ReturnTooLarge(**about, left=left[goods_id], requested=requested)
    return command.returned


def store(refunds: Sequence[Refund], pieces: Sequence[RefundLine]) -> None:
    """Inserts refunds and the pieces that came back with them, and the messages that carry them out."""
    if not refunds:
        return
    Refund.objects.bulk_create(refunds)
    RefundLine.objects.bulk_create(pieces)
    keys = [str(refund.own_id) for refund in refunds]
    returning = dict.fromkeys(str(line.refund_id) for line in pieces)
    publish_many(
        [
            *(Draft(REQUESTED_TOPIC, key, {"refund_id": key}) for key in keys),
            *(Draft(RETURN_TOPIC, key, {"refund_id": key}) for key in returning),
        ]
    )


def as_stored(outcomes: Sequence[RequestedRefund]) -> list[RequestedRefund]:
    """The outcomes with their refunds and pieces as they are in the database now."""
    numbers = [int(outcome.refund.own_id or 0) for outcome in outcomes if outcome.refund]
    found = with_pieces(list_by_refund_ids(refund_ids=numbers)) if numbers else []
    stored = {one.refund.own_id: one for one in found}
    return [completed(outcome, stored[outcome.refund.own_id]) if outcome.refund else outcome for outcome in outcomes]


def completed(outcome: RequestedRefund, stored: RefundWithPieces) -> RequestedRefund:
    return replace(outcome, refund=stored.refund, pieces=stored.pieces)


def tell(refund: Refund) -> None:
    """Writes the line of a refund that was asked for here and now."""
    ids = (str(refund.own_id), str(refund.payment_id), str(refund.order_id))
    REFUND_REQUESTED.tell(*ids, refund.actor, refund.amount, refund.currency)
