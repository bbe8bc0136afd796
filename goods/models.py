"""Live rooms, goods, and which goods are presented in which room."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from charites.common.models import NAME_LENGTH, Inherited, Timestamped


class Goods(Inherited):
    class Status(models.IntegerChoices):
        ON_SALE = 0, _("on sale")
        OFF_SALE = 1, _("off sale")

    goods_id = models.BigIntegerField(_("goods id"), unique=True)
    category_id = models.BigIntegerField(_("category id"), default=0)
    brand_name = models.CharField(_("brand"), max_length=NAME_LENGTH, default="", blank=True)
    code = models.BigIntegerField(_("code"), default=0)
    status = models.SmallIntegerField(_("status"), choices=Status, default=Status.ON_SALE)
    title = models.CharField(_("title"), max_length=NAME_LENGTH)
    market_price = models.BigIntegerField(_("market price, cents"), default=0)
    price = models.BigIntegerField(_("price, cents"))
    brief = models.CharField(_("brief"), max_length=512, default="", blank=True)
    head_imgs = models.JSONField(_("pictures"), default=list, blank=True)
    videos = models.JSONField(_("videos"), default=list, blank=True)
    detail = models.JSONField(_("detail"), default=list, blank=True)
    ext_json = models.JSONField(_("further data"), default=dict, blank=True)
    # The rules of a sale. The present version's predecessor writes none of these: the default stands in the database.
    limit_per_buyer = models.PositiveIntegerField(
        _("limit a buyer"), default=0, db_default=0, help_text=_("pieces that one buyer may have; 0: no limit")
    )
    sale_starts_at = models.DateTimeField(_("sale starts"), null=True, blank=True)
    sale_ends_at = models.DateTimeField(_("sale ends"), null=True, blank=True)

    class Meta:
        db_table = "shopping_goods"
        verbose_name = _("goods")
        verbose_name_plural = _("goods")
        constraints = [
            models.CheckConstraint(condition=models.Q(goods_id__gt=0), name="shopping_goods_id_positive"),
            models.CheckConstraint(condition=models.Q(price__gt=0), name="shopping_goods_price_positive"),
            models.CheckConstraint(
                condition=models.Q(sale_ends_at__gt=models.F("sale_starts_at")), name="shopping_goods_sale_times"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.goods_id} {self.title}"


class Room(Timestamped):
    class Status(models.TextChoices):
        LIVE = "live", _("live")
        OFF = "off", _("off")

    room_id = models.BigIntegerField(_("room id"), unique=True)
    title = models.CharField(_("title"), max_length=NAME_LENGTH)
    host_name = models.CharField(_("host"), max_length=NAME_LENGTH, default="", blank=True)
    cover = models.CharField(_("cover"), max_length=255, default="", blank=True)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OFF)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    # One cell cannot hold two current goods; NULL while nothing is pinned.
    current_goods_id = models.BigIntegerField(_("pinned goods"), null=True, blank=True)
    is_deleted = models.BooleanField(_("deleted"), default=False)

    class Meta:
        db_table = "shopping_room"
        verbose_name = _("room")
        verbose_name_plural = _("rooms")
        indexes = [models.Index(fields=["status", "room_id"], name="shopping_room_of_status")]

    def __str__(self) -> str:
        return f"{self.room_id} {self.title}"


class RoomGoods(Inherited):
    room_id = models.BigIntegerField(_("room id"))
    goods_id = models.BigIntegerField(_("goods id"), db_index=True)
    weight = models.BigIntegerField(_("weight, highest first"), default=0)

    class Meta:
        db_table = "shopping_room_goods"
        verbose_name = _("goods of a room")
        verbose_name_plural = _("goods of rooms")
        constraints = [
            models.UniqueConstraint(fields=["goods_id", "room_id"], name="shopping_room_goods_unique"),
        ]
        indexes = [models.Index(fields=["room_id", "weight"], name="shopping_room_goods_list")]

    def __str__(self) -> str:
        return _("product %(goods_id)s in room %(room_id)s") % {"goods_id": self.goods_id, "room_id": self.room_id}
