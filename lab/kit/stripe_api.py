"""A stand-in for the few calls of Stripe's API that the shop makes, with a memory: sessions that are paid, refunds that
add up, keys that answer again. The shapes are Stripe's own; `stripe-mock`, which forgets everything, checks those."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

CREATED = 1_780_315_200  # 2026-06-01 12:00 UTC


class StripeApi:
    """`pay` is what a buyer does on a session's page. `refusal`: what the next refund is refused with; `status` of a
    refund that is made."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.answered: dict[str, tuple[str, dict[str, Any]]] = {}  # by idempotency key: the request, and its answer
        self.calls: list[str] = []
        self.refusal = ""
        self.status = "succeeded"
        self.is_silent = False
        self._mutex = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer("GET")

            def do_POST(self) -> None:
                self.answer("POST")

            def answer(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                with api._mutex:
                    status, found = api.take(method, self.path, body, self.headers.get("Idempotency-Key") or "")
                if api.is_silent:
                    self.close_connection = True
                    return
                content = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pay(self, session_id: str) -> None:
        session = self.sessions[session_id]
        if session["status"] == "open":
            session |= {"status": "complete", "payment_status": "paid", "payment_intent": f"pi_{session_id[3:]}"}

    def take(self, method: str, path: str, body: str, key: str) -> tuple[int, dict[str, Any]]:
        self.calls.append(f"{method} {urlsplit(path).path}")
        if key and key in self.answered:
            asked, answer = self.answered[key]
            return (200, answer) if asked == body else refused("idempotency_error", "the key was used otherwise")
        status, answer = self.carry_out(method, path, dict(parse_qsl(body or urlsplit(path).query)))
        if key and status == 200:
            self.answered[key] = body, answer
        return status, answer

    def carry_out(self, method: str, path: str, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        path = urlsplit(path).path
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            return 200, self.open_session(given)
        if found := re.fullmatch(r"/v1/checkout/sessions/(\w+)(/expire)?", path):
            return self.about_session(found[1], is_ending=bool(found[2]), is_whole="expand[0]" in given)
        if path == "/v1/refunds":
            return self.make_refund(given) if method == "POST" else (200, self.list_refunds(given))
        return 404, {"error": {"type": "invalid_request_error", "message": f"no such address: {path}"}}

    def open_session(self, given: dict[str, str]) -> dict[str, Any]:
        number = f"cs_{len(self.sessions) + 1}"
        self.sessions[number] = {
            "id": number,
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(given["line_items[0][price_data][unit_amount]"]),
            "currency": given["line_items[0][price_data][currency]"],
            "metadata": {name: given[f"metadata[{name}]"] for name in ("payment_id", "order_id")},
            "payment_intent": None,
            "url": f"https://checkout.stripe.com/c/{number}",
            "expires_at": int(given["expires_at"]),
        }
        return dict(self.sessions[number])

    def about_session(self, number: str, *, is_ending: bool, is_whole: bool) -> tuple[int, dict[str, Any]]:
        session = self.sessions.get(number)
        if session is None:
            return refused("resource_missing", f"No such checkout.session: {number}", 404)
        if is_ending:
            if session["status"] != "open":
                return refused("", "Only Checkout Sessions with a status in [open] can be expired.")
            session["status"] = "expired"
        shown = dict(session)
        if is_whole and session["payment_intent"]:
            shown["payment_intent"] = {
                "id": session["payment_intent"],
                "object": "payment_intent",
                "amount_received": session["amount_total"],
                "currency": session["currency"],
                "latest_charge": {"id": "ch_1", "object": "charge", "created": CREATED},
            }
        return 200, shown

    def make_refund(self, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.refusal:
            return refused(self.refusal, "refused")
        made = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "payment_intent": given["payment_intent"],
            "amount": int(given["amount"]),
            "metadata": {"refund_id": given["metadata[refund_id]"]},
            "status": self.status,
            "failure_reason": "declined" if self.status == "failed" else None,
        }
        self.refunds.append(made)
        return 200, made

    def list_refunds(self, given: dict[str, str]) -> dict[str, Any]:
        found = [made for made in self.refunds if made["payment_intent"] == given["payment_intent"]]
        return {"object": "list", "url": "/v1/refunds", "has_more": False, "data": found}

    def event_of(self, session_id: str, kind: str = "checkout.session.completed", **changes: Any) -> dict[str, Any]:
        """An event about a session."""
        event = {
            "id": "evt_1",
            "object": "event",
            "type": kind,
            "created": CREATED,
            "livemode": False,
            "data": {"object": dict(self.sessions[session_id])},
        }
        return event | changes


def refused(code: str, message: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    kind = code if code == "idempotency_error" else "invalid_request_error"
    return status, {"error": {"type": kind, "code": code or None, "message": message}}
