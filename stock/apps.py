from collections.abc import Iterator

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.checks import register_sentences


class StockConfig(AppConfig):
    name = "stock"
    verbose_name = _("Stock")

    def ready(self) -> None:
        register_sentences("stock.E001", unsafe_strategy)


def unsafe_strategy() -> Iterator[str]:
    """No process of the shop starts with an unknown strategy, or with one that oversells."""
    from stock.strategies import STRATEGIES  # noqa: PLC0415 (models are loaded only now)

    safe = sorted(name for name, strategy in STRATEGIES.items() if strategy.safe)
    if settings.STOCK_STRATEGY not in safe:
        yield (
            f"STOCK_STRATEGY={settings.STOCK_STRATEGY!r} is not a safe way to take stock. "
            f"Set it to one of: {', '.join(safe)}."
        )
