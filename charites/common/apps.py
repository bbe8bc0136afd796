from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "charites.common"
    label = "charites_common"

    def ready(self) -> None:
        from charites.common import checks  # noqa: F401, PLC0415 (registers them)
