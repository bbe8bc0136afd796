from django.apps import AppConfig
from django.conf import settings


class CommonConfig(AppConfig):
    name = "charites.common"
    label = "charites_common"

    def ready(self) -> None:
        from charites.common import checks, tracing  # noqa: F401, PLC0415 (registers them)
        from charites.common.auth import keys, signals  # noqa: PLC0415 (needs the users)

        keys.current()  # what cannot be read is said now
        signals.connect()
        tracing.configure(settings.OTEL_EXPORTER_OTLP_ENDPOINT)
