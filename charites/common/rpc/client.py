"""The one client class: token, request id, deadline, and retries of what is safe to repeat."""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.message import Message
from grpc import StatusCode

from charites.common import logs, tracing
from charites.common.rpc.adapter import REQUEST_ID_KEY
from charites.common.rpc.servicer import IDEMPOTENCY_KEY
from charites.common.rpc.status import read_error

StubT = TypeVar("StubT")
RETRY_PAUSE_SECONDS = 0.05
ROUND_ROBIN: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
# Where there are others to go to: a server that says that it ends is left before it turns calls away. A plain host:port
# is one place, a balancer's maybe: whoever left that would have nowhere to go.
AND_HEALTH = {**ROUND_ROBIN, "healthCheckConfig": {"serviceName": ""}}
CHANNEL_OPTIONS = [
    # A name is looked up again whenever a connection ends, once a second at most; gRPC's own pause is 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A server that comes back is found within a second; gRPC's own pause grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # How long it may take to connect, for that is what this option means: a server that is busy is not away.
    ("grpc.min_reconnect_backoff_ms", 5000),
]


# What a server's end makes of calls that it has not begun. Of CANCELLED, too, nobody says that nothing was done.
UNSERVED = (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)


@dataclass
class Client:
    """A connection to a gRPC service, for any stub: adds token, request id and deadline, and tries again what a
    server that is busy, away or about to end did not answer and is safe to repeat. Make it after fork; safe for
    threads.

    `address`: host:port, of one server or of a balancer; or several, among which calls are dealt out in turn:
    `ipv4:10.0.0.5:8081,10.0.0.6:8081`, or every address that a name has now, `dns:///stock.internal:8081`. One of
    several that is away, or says that it ends, is left out until it is back. An error (grpc.RpcError) has `unanswered`
    set when a try before the last one ended without the server's word: that one may have had its effect.
    """

    address: str
    token: str | Callable[[], str] = ""  # the whole header value, such as `Bearer ...`, or what makes one
    timeout_seconds: float = 2.0
    tries: int = 3
    credentials: grpc.ChannelCredentials | None = None
    channel: grpc.Channel = field(init=False)

    def __post_init__(self) -> None:
        are_several = "," in self.address or self.address.startswith("dns:")
        service_config = json.dumps(AND_HEALTH if are_several else ROUND_ROBIN)
        options = [("grpc.service_config", service_config), *CHANNEL_OPTIONS]
        if self.credentials:
            self._transport = grpc.secure_channel(self.address, self.credentials, options)
        else:
            self._transport = grpc.insecure_channel(self.address, options)
        self.channel = grpc.intercept_channel(self._transport, ClientInterceptor(self))

    def stub(self, stub_class: Callable[[grpc.Channel], StubT]) -> StubT:
        """Returns a generated stub over this connection."""
        return stub_class(self.channel)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Details(grpc.ClientCallDetails):
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str]]
    credentials: Any = None
    wait_for_ready: bool | None = None
    compression: Any = None


class ClientInterceptor(grpc.UnaryUnaryClientInterceptor):
    """What a `Client` does to every call."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Message) -> Any:
        with tracing.span(details.method.strip("/").replace("/", "."), kind="CLIENT"):
            return self._call(continuation, details, request)

    def _call(self, continuation: Callable[..., Any], details: Any, request: Message) -> Any:
        metadata = self._metadata(details)
        deadline = time.monotonic() + (details.timeout or self._client.timeout_seconds)
        unanswered = False
        for attempt in range(self._client.tries):
            call = continuation(Details(details.method, max(0.0, deadline - time.monotonic()), metadata), request)
            pause = random.uniform(0, RETRY_PAUSE_SECONDS * 2**attempt)
            if attempt + 1 == self._client.tries or time.monotonic() + pause >= deadline:
                break
            if call.code() not in UNSERVED or not may_repeat(details.method, metadata, call):
                break
            unanswered = unanswered or not read_error(call)
            time.sleep(pause)
        call.unanswered = unanswered
        return call

    def _metadata(self, details: Any) -> list[tuple[str, str]]:
        given, token = list(details.metadata or ()), self._client.token
        made = {
            "authorization": token() if callable(token) else token,
            REQUEST_ID_KEY: logs.current_request_id(),
            **tracing.carried(),
        }
        named = {key for key, _value in given}
        return given + [(key, value) for key, value in made.items() if value and key not in named]


def may_repeat(path: str, metadata: Sequence[tuple[str, str]], call: Any) -> bool:
    """Whether a call that was not served may be made again: the server said itself that it did nothing, or the method
    or an idempotency key makes a second one harmless. A connection that broke under the call says nothing.
    """
    if any(key == IDEMPOTENCY_KEY for key, _value in metadata) or read_error(call):
        return True
    try:
        options = default_pool().FindMethodByName(path.strip("/").replace("/", ".")).GetOptions()
    except KeyError:
        return False
    return bool(options.idempotency_level)
