"""What there is of each product. Nothing is typed into a row: adjustments go through the service, with a reason."""

from django.conf import settings

from charites.common.admin_products import register_available, register_stock_page
from stock.admin.stock import count_available, stock_page

if "stock" in settings.APPS:  # elsewhere there is no table of it
    register_available(count_available)
    register_stock_page(stock_page)
