"""A narrated walk through the running shop."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lab.terminal import console_on
from lab.tour.curl_client import Client, TourFailed
from lab.tour.walk import Tour


class Command(BaseCommand):
    help = "Walk through the running shop: buy, pay, rush for the last pieces, time out, audit; each call as curl."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "The tour speaks with the demo's tokens, and DEMO is off: start the shop with `make run`."
            )
        with Client(shop_url()) as client:
            try:
                Tour(client, console_on(self.stdout)).walk()
            except TourFailed as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt as error:
                raise CommandError("Stopped; the stock was put back.") from error


def shop_url() -> str:
    """The address of the shop that runs with these settings."""
    host = f"[{settings.HTTP_HOST}]" if ":" in settings.HTTP_HOST else settings.HTTP_HOST
    return f"http://{host}:{settings.HTTP_PORT}"
