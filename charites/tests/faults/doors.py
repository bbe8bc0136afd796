"""The ways in, for tests of what a caller is told: REST, gRPC, the admin, the pay page. Each reads what it was told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import grpc
from django.contrib import messages
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client

from charites.common.errors import Busy, Kind, OutcomeUnknown
from charites.common.rpc import read_error
from lab.kit import rest_client
from lab.kit.admin_site import list_url, make_operator, sign_in
from lab.kit.grpc_server import Caller, Callers
from orders.errors import PaymentUnanswered
from stock.errors import StockBusy


class Said(Enum):
    """What an answer claims."""

    DONE = "done"
    NOTHING = "nothing was done"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """What a caller was told. `fields`: what the form on an admin page would send now."""

    said: Said
    words: str
    fields: Mapping[str, str] = field(default_factory=dict)


TEXTS = (OutcomeUnknown, PaymentUnanswered, Busy, StockBusy)  # that people may be told
Raw = Any  # what a door gives back while the database may be away; `read` it when it is there again


class Door:
    """A way in. `send` may run in another thread."""

    name: ClassVar[str]

    def read(self, raw: Raw) -> Answer:
        raise NotImplementedError


class Rest(Door):
    name = "REST"

    def __init__(self) -> None:
        self.buyer, self.staff, self.anybody = rest_client.buyer(), rest_client.staff(), rest_client.anybody()

    def read(self, raw: HttpResponse) -> Answer:
        if raw.status_code < 300:
            return Answer(Said.DONE, str(raw.status_code))
        said = {503: Said.NOTHING, 504: Said.UNKNOWN}.get(raw.status_code, Said.REFUSED)
        assert raw.status_code < 500 or said is not Said.REFUSED, raw.content
        return Answer(said, f"{raw.status_code}, {rest_client.error_of(raw)[1]}")


class Grpc(Door):
    name = "gRPC"

    def __init__(self, callers: Callers) -> None:
        self.buyer: Caller = callers.buyer()
        self.service: Caller = callers.service()
        self.staff: Caller = callers.staff()

    @staticmethod
    def call(method: Any, request: Any, **options: Any) -> Raw:
        try:
            return method(request, **options)
        except grpc.RpcError as error:
            return error

    def read(self, raw: Raw) -> Answer:
        if not isinstance(raw, grpc.RpcError):
            return Answer(Said.DONE, "OK")
        ours = read_error(raw)
        assert ours, raw
        name = raw.code().name
        said = {"UNAVAILABLE": Said.NOTHING, "DEADLINE_EXCEEDED": Said.UNKNOWN}.get(name, Said.REFUSED)
        return Answer(said, f"{name}, {ours.code}")


class Admin(Door):
    name = "admin"

    def __init__(self) -> None:
        self.client: Client = sign_in(make_operator())

    def act(self, action: str, row: Model, last: Answer | None, **fields: Any) -> Raw:
        """Confirms an action; when nobody knows how that ended, again with what the page that stayed holds."""
        url = list_url(type(row))
        chosen = {"action": action, "_selected_action": [row.pk]}
        if last and last.said is Said.UNKNOWN:
            held = last.fields
        else:
            held = hidden_fields(self.client.post(url, {**chosen, "index": "0"}))
        return self.client.post(url, {**held, **chosen, "confirmed": "yes", **fields})

    def fill(self, url: str, last: Answer | None, /, **fields: Any) -> Raw:
        """Sends a form; a second time with what the page that stayed holds."""
        held = last.fields if last else hidden_fields(self.client.get(url))
        return self.client.post(url, {**held, **fields})

    def read(self, raw: HttpResponse) -> Answer:
        page = self.client.get(raw["Location"]) if raw.status_code == 302 else raw
        if page.status_code >= 400:
            return Answer(said_in(page.text), f"{page.status_code}, {in_short(page.text)}")
        told = list(page.context["messages"])
        if not told:  # a form that is not valid: it says why beside its fields
            form = page.context["adminform"].form
            return Answer(Said.REFUSED, " ".join(error for errors in form.errors.values() for error in errors))
        said = Said.DONE if max(message.level for message in told) <= messages.SUCCESS else said_in(str(told[-1]))
        return Answer(said, " ".join(in_short(str(message)) for message in told), hidden_fields(page))


class PayPage(Door):
    """The sandbox provider's page, as the buyer's browser sends it."""

    name = "pay page"

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)

    def read(self, raw: HttpResponse) -> Answer:
        if raw.status_code == 302:
            return Answer(Said.DONE, "302")
        return Answer(said_in(raw.text), f"{raw.status_code}, {in_short(raw.text)}")


def said_in(text: str) -> Said:
    """What words for people claim."""
    kinds = {error.kind for error in TEXTS if error().message in text}
    if Kind.UNKNOWN in kinds:
        return Said.UNKNOWN
    return Said.NOTHING if Kind.BUSY in kinds else Said.REFUSED


def in_short(text: str) -> str:
    """The number of an error instead of its text; other texts as they are, and of a whole page nothing."""
    numbers = {error().message: str(error.code) for error in TEXTS}
    return numbers.get(text, "" if "<html" in text else text)


def hidden_fields(page: HttpResponse) -> dict[str, str]:
    """The key that a page of the admin holds, what it showed as left, and each field as it was."""
    return dict(re.findall(r'<input type="hidden" name="(key|left|initial-[^"]+)" value="([^"]*)"', page.text))
