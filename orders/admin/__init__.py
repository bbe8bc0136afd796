"""Orders and money, to look at. What an operator may do with an order goes through the services."""

from orders.admin import money, orders  # noqa: F401 (registers their pages)
from orders.payments.sandbox import admin  # noqa: F401 (registers its pages)
