from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class StockConfig(AppConfig):
    name = "stock"
    verbose_name = _("Stock")

    def ready(self) -> None:
        refuse_unsafe_strategy()


def refuse_unsafe_strategy() -> None:
    """No process of the shop starts with an unknown strategy, or with one that oversells."""
    from stock.strategies import STRATEGIES  # noqa: PLC0415 (models are loaded only now)

    safe = sorted(name for name, strategy in STRATEGIES.items() if strategy.safe)
    if settings.STOCK_STRATEGY not in safe:
        raise ImproperlyConfigured(
            f"STOCK_STRATEGY={settings.STOCK_STRATEGY!r} is not a safe way to take stock. "
            f"Set it to one of: {', '.join(safe)}."
        )
