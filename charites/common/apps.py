from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "charites.common"
    label = "charites_common"

    def ready(self) -> None:
        from charites.common import checks  # noqa: F401, PLC0415 (registers them)
        from charites.common.auth import keys, signals  # noqa: PLC0415 (needs the users)

        keys.current()  # what cannot be read is said now
        signals.connect()
