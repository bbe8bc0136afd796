"""A client of the HTTP port, for tests: JSON in, JSON out, one caller."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from charites.common.auth import Role
from lab.kit.factories import BUYER_ID, bearer, staff_bearer


class RestClient:
    """Calls as one user. `send` takes bytes as they are, anything else as JSON; headers by their own names."""

    def __init__(self, authorization: str | None = None) -> None:
        self.authorization = authorization
        self.client = Client(raise_request_exception=False)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> HttpResponse:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        identity = {"Authorization": self.authorization} if self.authorization else {}
        given = {"Content-Type": "application/json", **identity, **(headers or {})}
        content_type = given.pop("Content-Type")
        return self.client.generic(method, path, content, content_type=content_type, headers=given)

    def get(self, path: str, headers: dict[str, str] | None = None) -> HttpResponse:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> HttpResponse:
        return self.send("POST", path, {} if body is None else body, headers)

    def put(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> HttpResponse:
        return self.send("PUT", path, body, headers)

    def patch(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> HttpResponse:
        return self.send("PATCH", path, body, headers)


def anybody() -> RestClient:
    """Without a token."""
    return RestClient()


def buyer(user_id: int = BUYER_ID) -> RestClient:
    return RestClient(bearer(user_id))


def staff() -> RestClient:
    return RestClient(staff_bearer())


def service() -> RestClient:
    return RestClient(bearer(0, Role.SERVICE))


def error_of(response: Any) -> tuple[int, int, str]:
    """Returns (status, our number, message) of an error, after checking that it has the shape of errors there."""
    body = response.json()
    is_of_old = response.wsgi_request.path.startswith("/v1")
    assert ("request_id" in body) is not is_of_old, body
    assert is_of_old or body["request_id"] == response["X-Request-ID"]
    error = error_in(body)
    return response.status_code, error["code"], error["message"]


def error_in(body: dict[str, Any]) -> dict[str, Any]:
    """Returns our error in the body of an answer, REST's or that of `/v1`, after checking its shape."""
    if "request_id" in body:
        assert set(body) == {"code", "error", "message", "details", "request_id"}, body
        return body
    assert set(body) == {"code", "message", "details"}, body
    (error,) = body["details"]
    assert set(error) == {"@type", "code", "message", "details", "error"}, body
    assert (error["@type"], error["message"]) == ("type.googleapis.com/Error", body["message"])
    return dict(error)
