"""How Stripe is reached: by its library, over httpx as all calls of the shop, each with an end in time and in size.
None is repeated here: the shop asks again by itself, under the same key."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext
from typing import Any

import httpx
import stripe
from django.conf import settings

from orders.errors import PaymentsUnavailable

stripe.enable_telemetry = False  # or each call would say how long the last one took, and a number of this machine

LONGEST_ANSWER_BYTES = 1024 * 1024
# Stripe's own word that it has done nothing.
DENIALS = (stripe.AuthenticationError, stripe.InvalidRequestError, stripe.PermissionError, stripe.RateLimitError)


@contextmanager
def reached(seconds: float) -> Iterator[Any]:
    """Stripe's services, for as many requests as end within so many seconds. Raises PaymentsUnavailable where Stripe
    says that it has done nothing; whatever else is raised is no answer."""
    with httpx.Client(verify=tls()) as client:
        ours = Bounded(client, seconds)
        addresses: Any = {"api": settings.STRIPE_API_URL}
        # What the library calls a retry would outlive the caller.
        found = stripe.StripeClient(
            settings.STRIPE_API_KEY, base_addresses=addresses, max_network_retries=0, http_client=ours
        )
        try:
            yield found.v1
        except DENIALS as error:
            raise PaymentsUnavailable from error


@cache
def tls() -> SSLContext:
    """Whom we trust, read once."""
    return httpx.create_ssl_context()


class Bounded(stripe.HTTPClient):
    """Sends what the library has written. All requests together end within so many seconds."""

    name = "httpx"

    def __init__(self, client: httpx.Client, seconds: float) -> None:
        super().__init__()
        self._client, self._left = client, TimeLeft(seconds)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Raises httpx.HTTPError, which says whether there was a connection; TimeoutError."""
        options: Any = {"headers": headers, "content": post_data, "extensions": {"timeout": self._left}}
        with self._client.stream(method.upper(), url, **options) as answer:
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > LONGEST_ANSWER_BYTES or self._left.is_over():
                    raise TimeoutError(f"an answer of Stripe without an end, after {len(body)} bytes")
            return body.decode(), answer.status_code, answer.headers


class TimeLeft(dict[str, float]):
    """What httpx looks at before each of its steps (connect, write, read): none may take longer than all of them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._until = time.monotonic() + seconds

    def is_over(self) -> bool:
        return time.monotonic() > self._until

    def get(self, step: str, default: Any = None) -> float:
        return max(self._until - time.monotonic(), 0.001)
