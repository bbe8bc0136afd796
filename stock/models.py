"""What there is of each product, what every order took, and every inbound or manual change.

Per product, at every consistent read: sum(adjustments) = available + reserved + sold; reserved and sold are the sums
of the records in those states. Rows of `shopping_stock` come into being with their first adjustment.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from charites.common.models import KEY_LENGTH, NAME_LENGTH, ExactCharField, Inherited, Timestamped, never_deleted

ARCHIVED_ORDERS = 0  # the number of the records that stand for archived orders: no order has it
SHOP = "service:orders"  # whose the stock of the shop's own orders is, in this process or in a service of their own


class Stock(Inherited):
    goods_id = models.BigIntegerField(_("goods id"), unique=True)
    available = models.BigIntegerField(_("available"), db_column="num", default=0)
    reserved = models.BigIntegerField(_("reserved"), db_column="lock", default=0)
    sold = models.BigIntegerField(_("sold"), default=0)

    class Meta:
        db_table = "shopping_stock"
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        constraints = [
            models.CheckConstraint(condition=Q(goods_id__gt=0), name="shopping_stock_goods_positive"),
            models.CheckConstraint(condition=Q(available__gte=0), name="shopping_stock_available"),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="shopping_stock_reserved"),
            models.CheckConstraint(condition=Q(sold__gte=0), name="shopping_stock_sold"),
            never_deleted("shopping_stock"),
        ]

    def __str__(self) -> str:
        words = {"goods_id": self.goods_id, "available": self.available}
        return _("product %(goods_id)s: %(available)s available") % words


class StockRecord(Inherited):
    """What one order took of one product. A row that was rolled back is the tombstone that refuses a reservation which
    arrives after its own roll back: it stays until its order is archived, half a year later at the earliest."""

    class Status(models.IntegerChoices):
        RESERVED = 1, _("reserved")
        ROLLED_BACK = 2, _("rolled back")
        DEDUCTED = 3, _("deducted")

    class Source(models.TextChoices):
        ORDER = "order", _("order")
        RECEIPT = "receipt", _("receipt")  # a deduction without an order
        ARCHIVE = "archive", _("archived orders")  # one record a product, of all that they took and kept

    order_id = models.BigIntegerField(_("order id"))
    goods_id = models.BigIntegerField(_("goods id"))
    num = models.BigIntegerField(_("quantity"))
    status = models.SmallIntegerField(_("status"), choices=Status)
    kind = models.CharField(_("kind"), max_length=8, choices=Source, default=Source.ORDER)
    # Who reserved it, and alone may end that. The version before this column wrote the shop's own orders.
    owner = models.CharField(_("owner"), max_length=NAME_LENGTH, default=SHOP, db_default=SHOP)

    class Meta:
        db_table = "shopping_stock_record"
        verbose_name = _("stock record")
        verbose_name_plural = _("stock records")
        constraints = [
            models.UniqueConstraint(fields=["order_id", "goods_id"], name="shopping_stock_record_unique"),
            models.CheckConstraint(condition=Q(num__gte=0), name="shopping_stock_record_num"),
            never_deleted("shopping_stock_record"),
        ]
        indexes = [models.Index(fields=["goods_id", "status"], name="shopping_stock_record_sums")]

    def __str__(self) -> str:
        words = {"order_id": self.order_id, "quantity": self.num, "goods_id": self.goods_id}
        return _("order %(order_id)s: %(quantity)s of product %(goods_id)s") % words


class StockAdjustment(Timestamped):
    goods_id = models.BigIntegerField(_("goods id"), db_index=True)
    delta = models.BigIntegerField(_("change"))
    target = models.BigIntegerField(_("set to"), null=True)  # pieces available, where a number was asked for
    reason = models.CharField(_("reason"), max_length=255)
    actor = models.CharField(_("by"), max_length=NAME_LENGTH)
    idempotency_key = ExactCharField(_("idempotency key"), max_length=KEY_LENGTH, null=True, unique=True)  # noqa: DJ001 (NULLs do not collide)

    class Meta:
        db_table = "shopping_stock_adjustment"
        verbose_name = _("stock adjustment")
        verbose_name_plural = _("stock adjustments")

    def __str__(self) -> str:
        return _("product %(goods_id)s: %(delta)+d") % {"goods_id": self.goods_id, "delta": self.delta}
