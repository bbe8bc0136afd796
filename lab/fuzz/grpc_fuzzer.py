"""Every method of gRPC over every transport, and `/v1`: messages that fit, of edge values and broken ones, rubbish for
metadata, and frames that are wrong.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

import httpx
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from goods.rpc import goods_pb2
from lab.fuzz.fuzzed_shop import ROLES, FuzzedShop
from lab.fuzz.http2_caller import Answer, Headers, Http2Caller, number_in
from lab.fuzz.messages import break_bytes, make_message
from lab.fuzz.values import Values
from lab.fuzz.what_is_there import pay_orders
from orders.rpc import orders_pb2
from stock.rpc import stock_pb2

FILES = (goods_pb2, stock_pb2, orders_pb2, health_pb2, reflection_pb2)
BAD = {StatusCode.UNKNOWN, StatusCode.INTERNAL, StatusCode.DATA_LOSS, StatusCode.ABORTED, StatusCode.OUT_OF_RANGE}
NAMES = {status.value[0]: status for status in StatusCode}
MOST_FOUND = 20  # of a fuzzer; then it is time to look at them
BUSY_TOO = 503  # of HTTP, with our number
SHORT = (b"1n", b"50u", b"1m", b"20m")  # deadlines that pass on the way
WATCHED = 0.1  # of the rounds: each one waits
WATCH = "/grpc.health.v1.Health/Watch"
OURS = {
    f"/{service.full_name}/{method.name}"
    for file in (goods_pb2, stock_pb2, orders_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
PAID_ORDERS = 20  # for each transport
WORDS_OF_THE_CORE = ("Error parsing '", "Compression bit set", "Invalid compression", "Unexpected compressed flag")
PATIENCE, SHORT_PATIENCE = 20.0, 0.5  # seconds
NOT_TIMES = (b"", b"x", b"-1S", b"123456789S", b"1s", b"1.5S", b"99999999H", b"\xff")


class Sent(NamedTuple):
    """One request as it was sent. `is_rude`: a server may break it off, or wait for the rest of it."""

    path: str
    role: str
    headers: Headers
    body: bytes
    is_rude: bool = False
    hang_up: bool = False

    @property
    def may_wait(self) -> bool:
        """Whether the answer may take as long as the call: of one that is rude, and of those who watch."""
        return self.is_rude or self.path == WATCH

    def curl(self, address: str) -> str:
        """How to send it again."""
        told = [(name, value) for name, value in self.headers if not name.startswith(b":")]
        headers = " ".join(f"-H $'{escaped(name)}: {escaped(value)}'" for name, value in told)
        source = f"echo {self.body.hex()} | xxd -r -p | " if self.body else "true | "
        return f"{source}curl -sv --http2-prior-knowledge {headers} --data-binary @- http://{address}{self.path}"


def escaped(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in data)


def fuzz_grpc(shop: FuzzedShop, *, seconds: float, seed: int) -> list[str]:
    """Fuzzes each transport and the gateway, for equal parts of the time. Returns what was answered wrongly."""
    found = []
    part = seconds / (len(shop.grpc) + 1)
    for transport, address in shop.grpc.items():
        paid = pay_orders(shop.url, number=PAID_ORDERS, random=Random(seed))
        found += fuzz_transport(transport, address, paid=paid, seconds=part, seed=seed)
    return found + fuzz_gateway(shop.url, seconds=part, seed=seed)


def methods() -> list[MethodDescriptor]:
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def fuzz_transport(transport: str, address: str, *, paid: Sequence[int], seconds: float, seed: int) -> list[str]:
    values, caller = Values(Random(seed), paid), Http2Caller(address)
    found: list[str] = []
    told: Counter[str] = Counter()
    undone = {method.full_name for method in methods()}
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and len(found) < MOST_FOUND:
        watched = values.random.random() < WATCHED
        for method in (method for method in methods() if watched or method.name != "Watch"):
            sent = make_call(method, values, address)
            patience = SHORT_PATIENCE if sent.may_wait else PATIENCE
            answer = caller.call(sent.headers, sent.body, hang_up=sent.hang_up, seconds=patience)
            note_order(method, answer, values)
            if answer.status == 0:
                undone.discard(method.full_name)
            told[NAMES[answer.status].name if answer.status is not None else answer.end] += 1
            if fault := fault_of(sent, answer):
                found.append(f"gRPC ({transport}), {sent.path} as {sent.role}: {fault}\n  {sent.curl(address)}")
    caller.close()
    never = ", ".join(sorted(undone)) or "none"
    print(f"\ngRPC ({transport}): {told.total():,} calls: {shown(told)}; never answered with OK: {never}", flush=True)
    return found


def shown(told: Counter[str]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in told.most_common())


# What is sent


def make_call(method: MethodDescriptor, values: Values, address: str) -> Sent:
    """A call of a method, of one of five kinds."""
    random = values.random
    kind = random.choices(("fit", "edge", "broken", "metadata", "frames"), weights=(4, 4, 3, 2, 2))[0]
    message = make_message(method.input_type, values, fit=kind not in ("edge", "broken")).SerializeToString()
    if kind == "broken":
        message = break_bytes(message, random)
    message = message[:100_000]
    role = random.choice(list(ROLES))
    path = f"/{method.containing_service.full_name}/{method.name}"
    headers = usual_headers(path, address, ROLES[role])
    body = b"\0" + len(message).to_bytes(4, "big") + message
    if kind == "metadata":
        return Sent(path, role, [*headers, *rubbish_metadata(values)], body, is_rude=True)
    if kind == "frames":
        return wrong_frames(Sent(path, role, headers, body, is_rude=True), random)
    return Sent(path, role, headers, body)


def usual_headers(path: str, address: str, authorization: str) -> Headers:
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", address.encode()),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *([(b"authorization", authorization.encode())] if authorization else []),
    ]


def rubbish_metadata(values: Values) -> Iterator[tuple[bytes, bytes]]:
    """Headers that no client means; a transport may refuse them, and us they may not harm."""
    random = values.random
    for _ in range(random.randrange(1, 6)):
        yield random.choice(
            [
                (b"grpc-timeout", random.choice((*NOT_TIMES, *SHORT))),
                (b"idempotency-key", values.text().encode("utf-8", "replace").replace(b"\n", b" ")),
                (b"idempotency-key", b"k" * random.choice((0, 1, 64, 65, 4_000))),
                (b"authorization", random.choice((b"Bearer", b"Bearer a.b.c", b"token", b"\xff\xfe", b"x" * 5_000))),
                (b"accept-language", random.choice((b"zh-CN", b"*", b"x" * 600, b"de;q=9, \xff", b"-;;q=,"))),
                (b"x-request-id", random.choice((b"ok-1", b"a b", b"\xc3\xa9", b"x" * 200, b"${jndi}"))),
                (b"grpc-encoding", random.choice((b"gzip", b"identity", b"br", b"\x01"))),
                (b"trace-bin", random.choice((b"AAA=", b"!!!", random.randbytes(20)))),
                (b"x-forwarded-for", b"::1, \xff"),
                (b"x" * random.choice((1, 300)), random.randbytes(random.choice((1, 30)))),
            ]
        )


def wrong_frames(sent: Sent, random: Random) -> Sent:
    """A call that the protocol of gRPC does not know."""
    body, without_type = sent.body, [pair for pair in sent.headers if pair[0] != b"content-type"]
    match random.randrange(10):
        case 0:
            return sent._replace(body=b"\1" + body[1:])
        case 1:
            return sent._replace(body=bytes([random.randrange(2, 256)]) + body[1:])
        case 2:
            return sent._replace(body=body[: random.randrange(len(body) + 1)])
        case 3:
            return sent._replace(body=body[:1] + random.randbytes(4) + body[5:])
        case 4:
            return sent._replace(body=body + body)
        case 5:
            return sent._replace(body=body + random.randbytes(7))
        case 6:
            kind = random.choice((b"", b"application/grpc+json", b"application/json", b"application/grpcx", b"\xff"))
            return sent._replace(headers=[*without_type, (b"content-type", kind)])
        case 7:
            path = random.choice(("/", "//", "/Order", "/Order/Nothing", "/%2e%2e/x", "/Order/CreateOrder?x=1", "*"))
            headers = [(name, path.encode() if name == b":path" else value) for name, value in sent.headers]
            return sent._replace(path=path, headers=headers)
        case 8:
            verb = random.choice((b"GET", b"PUT", b"OPTIONS", b"FUZZ"))
            return sent._replace(
                headers=[(name, verb if name == b":method" else value) for name, value in sent.headers]
            )
    return sent._replace(hang_up=True)


# What is answered


def fault_of(sent: Sent, answer: Answer) -> str | None:
    """What is wrong with an answer. To a wrong frame grpcio's core says INTERNAL, or waits for the rest of it."""
    if answer.end == "hangs":
        return None if sent.may_wait else "no answer"
    if answer.http >= 500:
        return f"HTTP {answer.http}"
    if answer.status is None:
        return None if sent.is_rude else f"no status: {answer.end}, HTTP {answer.http}"
    status = NAMES.get(answer.status)
    if sent.is_rude and status is StatusCode.INTERNAL and answer.message.startswith(WORDS_OF_THE_CORE):
        return None
    if status is None or status in BAD:
        return f"{status.name if status else answer.status}: {answer.message}"
    if status is StatusCode.UNAVAILABLE and not answer.number:
        return f"UNAVAILABLE, which is not ours: {answer.message}"
    if status is not StatusCode.OK and sent.path in OURS and not sent.is_rude and not answer.number:
        return f"{status.name} without a number of ours: {answer.message}"
    return None


def note_order(method: MethodDescriptor, answer: Answer, values: Values) -> None:
    """Remembers the order that an answer is about."""
    if method.name not in ("CreateOrder", "ReduceStock") or len(answer.body) < 6:
        return
    is_placed = method.name == "CreateOrder"
    reply: type[Any] = getattr(orders_pb2 if is_placed else stock_pb2, method.output_type.name)
    with suppress(DecodeError):
        values.note_order(reply.FromString(answer.body[5:]).order_id, is_placed=is_placed)


# The gateway


def fuzz_gateway(url: str, *, seconds: float, seed: int) -> list[str]:
    """The same methods by JSON, where they have a route."""
    values = Values(Random(seed))
    found: list[str] = []
    told: Counter[str] = Counter()
    routes = {str(method.GetOptions().Extensions[annotations_pb2.http].post): method for method in methods()}
    routes.pop("", None)
    ends_at = time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=20) as client:
        while time.monotonic() < ends_at and len(found) < MOST_FOUND:
            for route, method in routes.items():
                body, headers = json_body(method, values), json_headers(values)
                try:
                    answer = post(client, url + route, body, headers)
                    fault = http_fault(answer) or form_fault(answer)
                except httpx.HTTPError as error:
                    fault, answer = f"{error!r}", httpx.Response(0)
                told[f"HTTP {answer.status_code}"] += 1
                if fault:
                    found.append(f"/v1, {route}: {fault}\n  {curl_of(url + route, headers, body)}")
    print(f"\n/v1: {told.total():,} requests: {shown(told)}", flush=True)
    return found


def post(client: httpx.Client, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """Sends a request; once more on a line of its own where the line that was idle has just been ended. Raises
    httpx.HTTPError."""
    try:
        return client.post(url, content=body, headers=headers)
    except httpx.RemoteProtocolError:
        return httpx.post(url, content=body, headers=headers, timeout=client.timeout)


def json_body(method: MethodDescriptor, values: Values) -> bytes:
    """A message as JSON; half of them have something wrong about them."""
    random = values.random
    message = make_message(method.input_type, values, fit=random.random() < 0.5)
    body = json.dumps(json_format.MessageToDict(message), ensure_ascii=random.random() < 0.5).encode()[:70_000]
    match random.randrange(10):
        case 0:
            return break_bytes(body, random)[:70_000]
        case 1:
            return body.replace(b'"', random.choice((b"'", b'\\"', b"", b'"\\ud800')), random.randrange(1, 9))
        case 2:
            return body[:-1] + random.choice((b',"Num":NaN}', b',"Num":1e999}', b',"GoodsId":1,"GoodsId":2}', b"}]"))
        case 3:
            word = random.choice((b"[" * 9_000, b'{"Items":' * 3_000, b"\xef\xbb\xbf{}", b"null", b"[]", b"1", b'"x"'))
            return bytes(word)
        case 4:
            return json.dumps({name: values.text() for name in ("GoodsId", "Num", "Items", "Phone")}).encode()
    return body


def json_headers(values: Values) -> dict[str, str]:
    kinds = ("application/json", "application/json; charset=utf-16", "text/plain", "application/grpc", "")
    key = {"Idempotency-Key": values.random.choice(("k", "k" * 65, "a b"))} if values.random.random() < 0.2 else {}
    authorization = ROLES[values.random.choice(list(ROLES))]
    identity = {"Authorization": authorization} if authorization else {}
    return {"Content-Type": values.random.choices(kinds, weights=(9, 1, 1, 1, 1))[0], **identity, **key}


def http_fault(answer: httpx.Response) -> str | None:
    """What is wrong with an answer over HTTP: 5xx, unless it is a true "busy"."""
    if answer.status_code < 500:
        return None
    number = answer.json().get("code") if "json" in answer.headers.get("content-type", "") else None
    is_busy = answer.status_code == BUSY_TOO and number
    return None if is_busy else f"HTTP {answer.status_code}: {answer.text[:300]}"


def form_fault(answer: httpx.Response) -> str | None:
    """What is wrong with the form of an answer of /v1: an error is gRPC's status in JSON, with ours in its details."""
    if answer.status_code == 200:
        return None
    try:
        status = json_format.Parse(answer.content, Status())
    except json_format.ParseError as error:
        return f"HTTP {answer.status_code}, which is no status of gRPC ({error}): {answer.text[:300]}"
    if status.code in NAMES and number_in(status):
        return None
    return f"HTTP {answer.status_code} without a number of ours: {answer.text[:300]}"


def curl_of(url: str, headers: Mapping[str, str], body: bytes) -> str:
    told = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
    return f"echo {body.hex()} | xxd -r -p | curl -sv {told} --data-binary @- {url}"
