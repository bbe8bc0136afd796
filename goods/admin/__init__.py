"""Rooms, goods, and which of them a room presents. Deleting marks rows; a product keeps its id for good."""

from django.conf import settings

from charites.common.admin_products import register_newest_products, register_products
from goods.admin import entries, rooms  # noqa: F401 (registers their pages)
from goods.admin.products import find_newest_products, find_products

if "goods" in settings.APPS:  # elsewhere there is no table of them
    register_products(find_products)
    register_newest_products(find_newest_products)
