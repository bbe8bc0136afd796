"""A stand-in for the few calls of Stripe's API that the shop makes, with a memory: sessions that are paid, refunds that
add up, keys that answer again. The shapes are Stripe's own; `stripe-mock`, which forgets everything, checks those."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import stripe
from django.utils import timezone

CREATED = 1_780_315_200  # 2026-06-01 12:00 UTC
SECRET = "whsec_of_tests"
STRIPE = "orders.payments.stripe.Stripe"
KEY = "sk_test_123"  # stripe-mock takes letters and digits

Answer = tuple[int, dict[str, Any]]


class StripeApi:
    """`pay`: what a buyer does on a session's page. `refusal`: the code that every refund is refused with. `outcome`:
    the status of a refund that is made; `undecided`: that of an intent which is not paid. `lost`: calls that begin so,
    such as `POST`, are carried out and their answers are lost; `is_away`: nothing is carried out, either."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.answered: dict[str, tuple[str, Answer]] = {}  # by idempotency key: the request, and its answer
        self.calls: list[str] = []
        self.headers: dict[str, str] = {}  # of the last one
        self.refusal, self.outcome, self.undecided = "", "succeeded", "processing"
        self.lost, self.is_away = "never", False
        self.mutex = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer("GET")

            def do_POST(self) -> None:
                self.answer("POST")

            def answer(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                if api.is_away:
                    return
                api.headers = dict(self.headers)
                with api.mutex:
                    if self.headers["Authorization"] == f"Bearer {KEY}":
                        status, found = api.take(method, self.path, body, self.headers.get("Idempotency-Key") or "")
                    else:
                        status, found = refused("", "Invalid API Key provided", 401)
                if f"{method} {self.path}".startswith(api.lost):
                    return
                content = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a shop that has this as its provider."""
        return {
            "PAYMENT_PROVIDER": STRIPE,
            "STRIPE_API_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_URL": f"http://127.0.0.1:{self._server.server_port}",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pay(self, session_id: str) -> None:
        with self.mutex:
            session = self.sessions[session_id]
            if session["status"] == "open":
                session |= {"status": "complete", "payment_status": "paid", "payment_intent": f"pi_{session_id[3:]}"}

    def event(self, session_id: str, kind: str = "checkout.session.completed", **changes: Any) -> dict[str, Any]:
        """The event about a session as it is now; `changes`: of the session."""
        return {
            "id": "evt_1",
            "object": "event",
            "type": kind,
            "created": CREATED,
            "livemode": False,
            "data": {"object": self.sessions[session_id] | changes},
        }

    # What the shop asks

    def take(self, method: str, path: str, body: str, key: str) -> Answer:
        address = urlsplit(path)
        self.calls.append(f"{method} {address.path}")
        if key in self.answered:
            asked, answer = self.answered[key]
            return answer if asked == body else refused("", "the key was used otherwise", kind="idempotency_error")
        answer = self.carry_out(method, address.path, dict(parse_qsl(body or address.query)))
        if key and method == "POST" and not path.endswith("/expire"):
            self.answered[key] = body, answer
        return answer

    def carry_out(self, method: str, path: str, given: dict[str, str]) -> Answer:
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            return 200, self.open_session(given)
        if found := re.fullmatch(r"/v1/checkout/sessions/(\w+)(/expire)?", path):
            return self.expire(found[1]) if found[2] else self.show(found[1])
        if path == "/v1/refunds":
            return self.make_refund(given) if method == "POST" else (200, self.list_refunds(given))
        return refused("", f"no such address: {path}", 404)

    def open_session(self, given: dict[str, str]) -> dict[str, Any]:
        number = f"cs_{len(self.sessions) + 1}"
        self.sessions[number] = {
            "id": number,
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(given["line_items[0][price_data][unit_amount]"]),
            "currency": given["line_items[0][price_data][currency]"],
            "metadata": {"charites_payment_id": given["metadata[charites_payment_id]"]},
            "payment_intent": None,
            "url": f"https://checkout.stripe.com/c/{number}",
            "expires_at": int(given["expires_at"]),
        }
        return dict(self.sessions[number])

    def expire(self, number: str) -> Answer:
        session = self.sessions[number]
        if session["status"] != "open":
            return refused("", "Only Checkout Sessions with a status in [open] can be expired.")
        session["status"] = "expired"
        return 200, dict(session)

    def show(self, number: str) -> Answer:
        """A session, with its intent and charge."""
        shown = dict(self.sessions[number])
        if shown["payment_intent"]:
            shown["payment_intent"] = {
                "id": shown["payment_intent"],
                "object": "payment_intent",
                "status": "succeeded" if shown["payment_status"] == "paid" else self.undecided,
                "amount_received": shown["amount_total"],
                "currency": shown["currency"],
                "created": CREATED,
                "latest_charge": {"id": "ch_1", "object": "charge", "created": CREATED},
            }
        return 200, shown

    def make_refund(self, given: dict[str, str]) -> Answer:
        trade, amount = given["payment_intent"], int(given["amount"])
        (taken,) = [row["amount_total"] for row in self.sessions.values() if row["payment_intent"] == trade]
        gone = sum(made["amount"] for made in self.refunds if made["payment_intent"] == trade)
        if self.refusal or amount > taken - gone:
            return refused(self.refusal or "charge_already_refunded", "no")
        made = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "payment_intent": trade,
            "amount": amount,
            "metadata": {"charites_refund_id": given["metadata[charites_refund_id]"]},
            "status": self.outcome,
            "failure_reason": "declined" if self.outcome == "failed" else None,
        }
        self.refunds.append(made)
        return 200, made

    def list_refunds(self, given: dict[str, str]) -> dict[str, Any]:
        found = [made for made in self.refunds if made["payment_intent"] == given["payment_intent"]]
        return {"object": "list", "url": "/v1/refunds", "has_more": False, "data": found}


def refused(code: str, message: str, status: int = 400, kind: str = "invalid_request_error") -> Answer:
    return status, {"error": {"type": kind, "code": code or None, "message": message}}


def signature(body: bytes, *, secret: str = SECRET, age_seconds: int = 0) -> dict[str, str]:
    """The header that goes with an event, made by Stripe's library."""
    signed_at = int(timezone.now().timestamp()) - age_seconds
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, signed_at)
    return {"Stripe-Signature": header}
