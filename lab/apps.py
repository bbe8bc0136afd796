from django.apps import AppConfig


class LabConfig(AppConfig):
    """Brings the commands `seed`, `tour`, `stock_race` and `order_faults`; has no tables."""

    name = "lab"
