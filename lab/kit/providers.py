"""Providers for tests; each stands behind the port, `orders.payments.port`."""

import socket
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

import httpx

from orders.payloads import Capture
from orders.payments.port import PaymentRequest, RefundRequest


class Away:
    """Answers nothing."""

    channel = "sandbox"

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        raise ConnectionRefusedError("away")

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        raise ConnectionRefusedError("away")

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        raise ConnectionRefusedError("away")

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        raise ConnectionRefusedError("away")

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        raise ConnectionRefusedError("away")


class Mute:
    """A server that takes every connection and never says a word; each call waits for it as long as it may."""

    channel = "sandbox"
    waits: ClassVar[list[float]] = []

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        return self._wait(timeout_seconds)

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        return self._wait(timeout_seconds)

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        return self._wait(timeout_seconds)

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        self._wait(timeout_seconds)

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        raise NotImplementedError

    def _wait(self, timeout_seconds: float) -> Any:
        self.waits.append(timeout_seconds)
        with socket.create_server(("127.0.0.1", 0)) as server:
            return httpx.post(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=timeout_seconds).json()


class Scripted:
    """Answers what the test has laid down in `script`: call -> an answer, an exception to raise, or a function.

    A function gets the payment's id. Notes every call; `refunded` adds up what was sent back, twice if asked twice.
    """

    channel = "sandbox"
    script: ClassVar[dict[str, Any]] = {}
    calls: ClassVar[list[tuple[str, int]]] = []
    refunded: ClassVar[dict[str, int]] = {}
    _mutex = threading.Lock()

    @classmethod
    def reset(cls) -> None:
        for notes in (cls.script, cls.calls, cls.refunded):
            notes.clear()

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        return self._answer("begin", request.payment_id)

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        return self._answer("close", payment_id)

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        return self._answer("query", payment_id)

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        answer = self._answer("refund", request.payment_id)
        with self._mutex:
            self.refunded[request.trade_id] = self.refunded.get(request.trade_id, 0) + request.amount
        return answer

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        return self._answer("read_notice", 0)

    def _answer(self, call: str, payment_id: int) -> Any:
        self.calls.append((call, payment_id))
        answer: Any = self.script.get(call)
        if isinstance(answer, Exception):
            raise answer
        return answer(payment_id) if isinstance(answer, Callable) else answer


class Elsewhere(Away):
    """Another provider than the one that the payments were begun at."""

    channel = "elsewhere"


AWAY = "lab.kit.providers.Away"
MUTE = "lab.kit.providers.Mute"
SCRIPTED = "lab.kit.providers.Scripted"
ELSEWHERE = "lab.kit.providers.Elsewhere"
