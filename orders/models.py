"""Orders, their lines, payments, refunds and what came back with them, what stays of archived orders, and the sandbox
provider's own ledger."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from charites.common.models import (
    ADDRESS_LENGTH,
    KEY_LENGTH,
    NAME_LENGTH,
    PHONE_LENGTH,
    REASON_LENGTH,
    ExactCharField,
    Inherited,
    Timestamped,
    never_deleted,
)

TRADE_LENGTH = 64
CHANNEL_LENGTH = 32
CURRENCY_LENGTH = 3
ERROR_LENGTH = 500


class Order(Inherited):
    """Legal transitions: 100 -> 200, 100 -> 300, 200 -> 400; and 200 -> 300, with a refund, where another service has
    the stock and refuses to sell it. No others."""

    class Status(models.IntegerChoices):
        UNPAID = 100, _("unpaid")
        PAID = 200, _("paid")
        CLOSED = 300, _("closed")
        COMPLETED = 400, _("completed")

    class ClosedBy(models.TextChoices):
        NOBODY = "", "-"
        TIMEOUT = "timeout", _("timeout")
        USER = "user", _("user")
        STAFF = "staff", _("staff")
        STOCK = "stock", _("stock")  # it was paid, and its stock could not be sold

    order_id = models.BigIntegerField(_("order id"), unique=True)
    user_id = models.BigIntegerField(_("user id"))
    room_id = models.BigIntegerField(_("room id"), null=True, blank=True)
    status = models.SmallIntegerField(_("status"), choices=Status, default=Status.UNPAID)
    closed_by = models.CharField(_("closed by"), max_length=8, choices=ClosedBy, default="", blank=True)
    expires_at = models.DateTimeField(_("expires"))
    pay_amount = models.BigIntegerField(_("amount, cents"))
    pay_channel = models.CharField(_("channel"), max_length=CHANNEL_LENGTH, default="", blank=True)
    trade_id = ExactCharField(_("trade id"), max_length=TRADE_LENGTH, default="", blank=True)
    pay_time = models.DateTimeField(_("paid at"), null=True, blank=True)
    receive_address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    receive_name = models.CharField(pgettext_lazy("receiver", "name"), max_length=NAME_LENGTH)
    receive_phone = models.CharField(_("phone"), max_length=PHONE_LENGTH)
    idempotency_key = ExactCharField(_("idempotency key"), max_length=KEY_LENGTH, null=True)  # noqa: DJ001 (NULLs do not collide)
    # SHA-256 of the canonical command.
    request_digest = models.CharField(_("request digest"), max_length=64, default="")

    class Meta:
        db_table = "shopping_order"
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [
            ("view_personal_data", _("Can see names, phones and addresses")),
            ("export_lists", _("Can export what is listed")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user_id", "idempotency_key"], name="shopping_order_key"),
            models.CheckConstraint(condition=~Q(idempotency_key=""), name="shopping_order_key_not_empty"),
            models.CheckConstraint(condition=Q(pay_amount__gte=0), name="shopping_order_amount"),
            never_deleted("shopping_order"),
        ]
        indexes = [
            models.Index(fields=["status", "expires_at"], name="shopping_order_due"),
            models.Index(fields=["user_id", "order_id"], name="shopping_order_of_user"),
            models.Index(fields=["status", "order_id"], name="shopping_order_of_status"),
            models.Index(fields=["room_id", "order_id"], name="shopping_order_of_room"),
        ]

    def __str__(self) -> str:
        return _("order %(order_id)s") % {"order_id": self.order_id}


class OrderDetail(Inherited):
    """One line of an order: a snapshot of the goods at the time."""

    order_id = models.BigIntegerField(_("order id"))
    user_id = models.BigIntegerField(_("user id"))
    goods_id = models.BigIntegerField(_("goods id"), db_index=True)
    title = models.CharField(_("title"), max_length=NAME_LENGTH)
    market_price = models.BigIntegerField(_("market price, cents"))
    price = models.BigIntegerField(_("price, cents"))
    brief = models.CharField(_("brief"), max_length=512, default="", blank=True)
    head_imgs = models.JSONField(_("pictures"), default=list)
    videos = models.JSONField(_("videos"), default=list)
    detail = models.JSONField(_("detail"), default=list)
    num = models.BigIntegerField(_("quantity"))
    pay_amount = models.BigIntegerField(_("amount, cents"))
    pay_time = models.DateTimeField(_("paid at"), null=True, blank=True)

    class Meta:
        db_table = "shopping_order_detail"
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        constraints = [
            models.UniqueConstraint(fields=["order_id", "goods_id"], name="shopping_order_detail_unique"),
            never_deleted("shopping_order_detail"),
        ]

    def __str__(self) -> str:
        words = {"order_id": self.order_id, "quantity": self.num, "goods_id": self.goods_id}
        return _("order %(order_id)s: %(quantity)s of product %(goods_id)s") % words


class LimitedGoods(Timestamped):
    """Products of which it is counted how many pieces each buyer has, in `Allowance`: those that ever had a limit.

    Row 0 is no product but the lock: who changes counts has it in share mode, who begins to count a product alone.
    """

    goods_id = models.BigIntegerField(_("goods id"), unique=True)

    class Meta:
        db_table = "shopping_order_limited_goods"
        verbose_name = _("limited goods")
        verbose_name_plural = _("limited goods")

    def __str__(self) -> str:
        return str(self.goods_id)


class Allowance(Timestamped):
    """How many pieces of a limited product a buyer has, over all orders that are not closed."""

    goods_id = models.BigIntegerField(_("goods id"))
    user_id = models.BigIntegerField(_("user id"))
    pieces = models.BigIntegerField(_("pieces"))

    class Meta:
        db_table = "shopping_order_allowance"
        verbose_name = _("pieces of a buyer")
        verbose_name_plural = _("pieces of buyers")
        constraints = [
            models.UniqueConstraint(fields=["goods_id", "user_id"], name="shopping_order_allowance_unique"),
            models.CheckConstraint(condition=Q(pieces__gte=0), name="shopping_order_allowance_pieces"),
        ]

    def __str__(self) -> str:
        return f"{self.goods_id} {self.user_id}"


class Payment(Timestamped):
    """One try to pay an order. `payment_id` is our id at the provider, `trade_id` the provider's.

    As long as it may still bring money, `next_question_at` says when the provider is asked about it.
    """

    class Status(models.TextChoices):
        BEGUN = "begun", _("begun")
        CAPTURED = "captured", _("captured")
        CLOSED = "closed", _("closed")

    payment_id = models.BigIntegerField(_("payment id"), unique=True)
    order_id = models.BigIntegerField(_("order id"), db_index=True)
    channel = models.CharField(_("channel"), max_length=CHANNEL_LENGTH)
    amount = models.BigIntegerField(_("amount, cents"))
    currency = models.CharField(_("currency"), max_length=CURRENCY_LENGTH)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.BEGUN)
    trade_id = ExactCharField(_("trade id"), max_length=TRADE_LENGTH, null=True, blank=True)  # noqa: DJ001 (NULL until captured)
    captured_at = models.DateTimeField(_("money came in"), null=True, db_index=True)  # as the provider says
    # Who asks the provider about it, asks alone until then.
    leased_until = models.DateTimeField(_("leased until"), null=True)
    # The present version's predecessor writes none of these: they have defaults in the database.
    questions = models.PositiveSmallIntegerField(_("questions asked"), default=0, db_default=0)
    next_question_at = models.DateTimeField(_("next question"), null=True)
    last_error = models.CharField(_("last error"), max_length=ERROR_LENGTH, default="", db_default="")

    class Meta:
        db_table = "shopping_payment"
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        indexes = [
            models.Index(fields=["status", "order_id"], name="shopping_payment_begun"),
            models.Index(fields=["status", "next_question_at"], name="shopping_payment_to_ask"),
            models.Index(fields=["status", "payment_id"], name="shopping_payment_of_status"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["channel", "trade_id"], name="shopping_payment_trade"),
            models.CheckConstraint(condition=~Q(trade_id=""), name="shopping_payment_trade_not_empty"),
        ]

    def __str__(self) -> str:
        words = {"payment_id": self.payment_id, "order_id": self.order_id}
        return _("payment %(payment_id)s of order %(order_id)s") % words


class Refund(Timestamped):
    """Money on its way back. The row is the truth: its message may be lost.

    What came in and paid no order goes back by itself, all of a payment at once: `pending`, then `done`. What paid an
    order goes back when a person asks for it, in parts if need be: `requested`, then `done`, or `refused` by the
    provider, for good. Two words for what is on its way, since the version before this one sends what is pending, and
    takes it for all of its payment.
    """

    class Reason(models.TextChoices):
        LATE = "late", _("late")
        DOUBLE = "double", _("double")
        AMOUNT = "amount", _("wrong amount")
        STOCK = "stock", _("no stock")
        STAFF = "staff", _("by staff")

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        REQUESTED = "requested", _("requested")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")

    # What the provider and everybody else know the refund by: its payment's number where all of that goes back by
    # itself, a number of its own where a person asked for it.
    refund_id = models.GeneratedField(
        verbose_name=_("refund id"),
        expression=Coalesce("own_id", "payment_id"),
        output_field=models.BigIntegerField(),
        db_persist=False,
        unique=True,
    )
    own_id = models.BigIntegerField(_("own number"), null=True)
    payment_id = models.BigIntegerField(_("payment id"), db_index=True)
    order_id = models.BigIntegerField(_("order id"), db_index=True)
    amount = models.BigIntegerField(_("amount, cents"))
    currency = models.CharField(_("currency"), max_length=CURRENCY_LENGTH)
    reason = models.CharField(_("reason"), max_length=8, choices=Reason)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.PENDING)
    # Who asked for it, why, and under which key; empty where it goes back by itself.
    actor = models.CharField(_("asked for by"), max_length=NAME_LENGTH, default="", db_default="")
    note = models.CharField(_("note"), max_length=REASON_LENGTH, default="", db_default="")
    idempotency_key = ExactCharField(_("idempotency key"), max_length=KEY_LENGTH, default="", db_default="")
    request_digest = models.CharField(_("request digest"), max_length=64, default="", db_default="")
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # Who sends the money back, sends it alone until then.
    leased_until = models.DateTimeField(_("leased until"), null=True)
    next_try_at = models.DateTimeField(_("next try"), null=True)
    done_at = models.DateTimeField(_("sent back"), null=True, db_index=True)
    last_error = models.CharField(_("last error"), max_length=ERROR_LENGTH, default="", db_default="")

    class Meta:
        db_table = "shopping_refund"
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        indexes = [
            models.Index(fields=["status", "next_try_at"], name="shopping_refund_to_send"),
            models.Index(fields=["status", "refund_id"], name="shopping_refund_by_status"),
        ]
        constraints = [
            # A key stands for one refund of a payment; that which goes back by itself has the empty one.
            models.UniqueConstraint(fields=["payment_id", "idempotency_key"], name="shopping_refund_key"),
        ]

    def __str__(self) -> str:
        words = {"refund_id": self.own_id or self.payment_id, "order_id": self.order_id}
        return _("refund %(refund_id)s of order %(order_id)s") % words


ON_ITS_WAY = (Refund.Status.PENDING, Refund.Status.REQUESTED)
# Of the money that an order was paid with. The others are of money that came besides, and leave it paid in full.
OF_ITS_ORDER = (Refund.Reason.STAFF, Refund.Reason.STOCK)


class RefundLine(Timestamped):
    """Pieces of an order that came back with a refund, and are available again."""

    refund_id = models.BigIntegerField(_("refund id"))
    order_id = models.BigIntegerField(_("order id"), db_index=True)
    goods_id = models.BigIntegerField(_("goods id"))
    num = models.BigIntegerField(_("quantity"))

    class Meta:
        db_table = "shopping_refund_line"
        verbose_name = _("returned pieces")
        verbose_name_plural = _("returned pieces")
        constraints = [
            models.UniqueConstraint(fields=["refund_id", "goods_id"], name="shopping_refund_line_unique"),
            models.CheckConstraint(condition=Q(num__gte=1), name="shopping_refund_line_num"),
        ]

    def __str__(self) -> str:
        words = {"refund_id": self.refund_id, "quantity": self.num, "goods_id": self.goods_id}
        return _("refund %(refund_id)s: %(quantity)s of product %(goods_id)s") % words


class Archive(Timestamped):
    """A file of orders that have left the database, and what they come to. Why: docs/adr/0042-old-orders.md."""

    name = models.CharField(_("file"), max_length=NAME_LENGTH, unique=True)
    digest = models.CharField(_("SHA-256 digest"), max_length=64)
    orders = models.PositiveIntegerField(_("orders"))
    amount = models.BigIntegerField(_("amount, cents"))
    pieces = models.BigIntegerField(_("pieces"))  # that were sold

    class Meta:
        db_table = "shopping_order_archive"
        verbose_name = _("archive")
        verbose_name_plural = _("archives")

    def __str__(self) -> str:
        return self.name


class ArchivedOrder(models.Model):
    """What stays of an order that has left: its number and its key are used for good, its money and its pieces are
    counted."""

    order_id = models.BigIntegerField(_("order id"), primary_key=True)
    user_id = models.BigIntegerField(_("user id"))
    status = models.SmallIntegerField(_("status"), choices=Order.Status)  # as it ended
    pay_amount = models.BigIntegerField(_("amount, cents"))
    payment_id = models.BigIntegerField(_("payment id"), null=True)  # that paid it
    pieces = models.BigIntegerField(_("pieces"))  # that were sold
    idempotency_key = ExactCharField(_("idempotency key"), max_length=KEY_LENGTH, null=True)  # noqa: DJ001 (NULLs do not collide)
    archive_id = models.BigIntegerField(_("archive"))

    class Meta:
        db_table = "shopping_order_archived"
        verbose_name = _("archived order")
        verbose_name_plural = _("archived orders")
        constraints = [
            models.UniqueConstraint(fields=["user_id", "idempotency_key"], name="shopping_order_archived_key"),
        ]

    def __str__(self) -> str:
        return _("order %(order_id)s") % {"order_id": self.order_id}


class ArchivedPieces(Timestamped):
    """How many pieces of a product a buyer has in archived orders that were not closed: a limit counts them, too."""

    goods_id = models.BigIntegerField(_("goods id"))
    user_id = models.BigIntegerField(_("user id"))
    pieces = models.BigIntegerField(_("pieces"))

    class Meta:
        db_table = "shopping_order_archived_pieces"
        verbose_name = _("archived pieces of a buyer")
        verbose_name_plural = _("archived pieces of buyers")
        constraints = [
            models.UniqueConstraint(fields=["goods_id", "user_id"], name="shopping_order_archived_pieces_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.goods_id} {self.user_id}"


class SandboxPayment(Timestamped):
    """The sandbox provider's own ledger; the shop reads it only through the provider's interface."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        CAPTURED = "captured", _("captured")
        CLOSED = "closed", _("closed")

    payment_id = models.BigIntegerField(_("payment id"), unique=True)
    amount = models.BigIntegerField(_("amount, cents"))
    currency = models.CharField(_("currency"), max_length=CURRENCY_LENGTH)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN)
    trade_id = ExactCharField(_("trade id"), max_length=TRADE_LENGTH, default="", blank=True)
    captured_at = models.DateTimeField(pgettext_lazy("time", "captured"), null=True, blank=True)
    refunded = models.BigIntegerField(_("refunded, cents"), default=0)
    expires_at = models.DateTimeField(_("expires"))
    declined_at = models.DateTimeField(_("declined"), null=True)
    # The buyer's bank is slow: the money is taken only after the shop has closed the payment.
    pays_when_closed = models.BooleanField(_("pays when closed"), default=False, db_default=False)

    class Meta:
        db_table = "sandbox_payment"
        verbose_name = _("sandbox payment")
        verbose_name_plural = _("sandbox payments")
        indexes = [models.Index(fields=["trade_id"], name="sandbox_payment_trade")]

    def __str__(self) -> str:
        return _("sandbox payment %(payment_id)s") % {"payment_id": self.payment_id}


class SandboxRefund(Timestamped):
    """What the sandbox has sent back: once under each of the shop's numbers."""

    refund_id = models.BigIntegerField(_("refund id"), unique=True)
    payment_id = models.BigIntegerField(_("payment id"), db_index=True)
    amount = models.BigIntegerField(_("amount, cents"))

    class Meta:
        db_table = "sandbox_refund"
        verbose_name = _("sandbox refund")
        verbose_name_plural = _("sandbox refunds")

    def __str__(self) -> str:
        return _("sandbox refund %(refund_id)s") % {"refund_id": self.refund_id}


class StripeSession(Timestamped):
    """The Checkout Session of a payment, which Stripe finds by its own number alone; empty where the payment was closed
    before it had one."""

    payment_id = models.BigIntegerField(_("payment id"), unique=True)
    session_id = models.CharField(_("session id"), max_length=255)

    class Meta:
        db_table = "stripe_session"
        verbose_name = _("Stripe session")
        verbose_name_plural = _("Stripe sessions")

    def __str__(self) -> str:
        return self.session_id
