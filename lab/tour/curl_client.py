"""Calls to the running shop, each of them also as the curl command that a reader could copy."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_SECONDS = 15
# What an answer is shortened to; the rest is for programs.
SHOWN = frozenset(
    {
        *("room_id", "current_goods_id", "goods", "goods_id", "title", "price", "quantity", "items"),
        *("order_id", "status", "status_label", "closed_by", "pay_amount", "expires_at", "payment_id"),
        *("available", "reserved", "sold", "version", "code", "message", "details"),
        *("limit", "held", "requested", "starts_at", "expected", "amount"),
        *("OrderId", "UserId", "StatusLabel", "PayAmount", "ExpiresAt"),
    }
)
SHOWN_ENTRIES = 2
SHOWN_CHARACTERS = 60


class TourFailed(Exception):
    """Something went otherwise than the shop promises; the message is one sentence for the reader."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as somebody with a token of the demo makes it."""

    user: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    key: str = ""

    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.user}"}
        if self.key:
            headers["Idempotency-Key"] = self.key
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def text(self) -> str:
        """The body as it is sent."""
        return "" if self.body is None else json.dumps(self.body, ensure_ascii=False)

    def curl(self, base_url: str) -> str:
        """The command line that makes the same request; every line but the last ends with a backslash."""
        verb = "" if self.method == "GET" else f"-X {self.method} "
        words = [f"curl {verb}{base_url}{self.path}"]
        words += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers().items()]
        if self.body is not None:
            words.append(f"  -d {shlex.quote(self.text())}")
        return " \\\n".join(words)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def error(self) -> dict[str, Any]:
        """What was refused, and why: the body, or what that of `/v1` has in its details. Empty where nothing was."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return {}
        details = self.body.get("details")
        return dict(details[0]) if isinstance(details, list) else self.body


class Client:
    """One connection pool to the shop. Safe for threads."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        # No proxy of the environment stands between two processes of one machine.
        self._http = httpx.Client(base_url=base_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def send(self, call: Call) -> Answer:
        """Returns whatever the shop answers. Raises TourFailed when it does not, or not in JSON."""
        try:
            response = self._http.request(
                call.method, call.path, content=call.text().encode() or None, headers=call.headers()
            )
        except httpx.ConnectError as error:
            raise TourFailed(
                f"No shop answers at {self.base_url}: start it with `make run` in another terminal."
            ) from error
        except httpx.HTTPError as error:
            raise TourFailed(f"The shop did not answer {call.method} {call.path}: {error!r}.") from error
        try:
            body = response.json()
        except ValueError as error:
            raise TourFailed(
                f"{call.method} {call.path} answered {response.status_code} without JSON: is this the shop?"
            ) from error
        return Answer(response.status_code, body if isinstance(body, dict) else {"answer": body})


def check(call: Call, answer: Answer, expected: int) -> None:
    """Raises TourFailed unless the status is the expected one."""
    if answer.status != expected:
        said = f"{answer.error.get('code', '-')} {answer.error.get('message', '')}".strip()
        raise TourFailed(
            f"{call.method} {call.path} answered {answer.status} ({said}) where {expected} "
            f"({HTTPStatus(expected).phrase}) was expected."
        )


def shortened(value: Any) -> Any:
    """What a reader wants to see of an answer."""
    if isinstance(value, dict):
        return {name: shortened(inner) for name, inner in value.items() if name in SHOWN and inner not in (None, "")}
    if isinstance(value, list):
        rest = len(value) - SHOWN_ENTRIES
        return [shortened(entry) for entry in value[:SHOWN_ENTRIES]] + ([f"... {rest} more"] if rest > 0 else [])
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"{value[:SHOWN_CHARACTERS]}..."
    return value
