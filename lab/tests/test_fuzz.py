"""The fuzzers: one seed is one series, every method is called, and what is wrong is seen."""

import subprocess
import sys
from collections import Counter
from random import Random
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status

from charites.common.errors import Busy, NotFound
from charites.common.rest.status import body_of_old, error_body
from charites.common.rpc import as_status, installed_methods
from charites.common.rpc.asgi import trailers
from lab.fuzz.fuzzed_shop import troubles
from lab.fuzz.grpc_fuzzer import Sent, fault_of, form_fault, http_fault, json_body, make_call, methods
from lab.fuzz.http2_caller import Answer
from lab.fuzz.messages import break_bytes, make_message
from lab.fuzz.notice_fuzzer import Payments, make_notice
from lab.fuzz.rest_fuzzer import never_done
from lab.fuzz.values import Values

SENT = Sent("/Stock/GetStock", "buyer", [(b":path", b"/Stock/GetStock"), (b"x", b"'\xff")], b"\0\0\0\0\0")


def series(seed: int) -> list[object]:
    values = Values(Random(seed))
    calls = [make_call(method, values, "127.0.0.1:1") for _ in range(20) for method in methods()]
    notices = Payments(httpx.Client(), values.random)
    return [
        calls,
        [json_body(methods()[0], values) for _ in range(50)],
        [make_notice(notices, values) for _ in range(50)],
    ]


def answered(status: Status) -> Answer:
    told = {name.decode(): value.decode() for name, value in trailers(status, "")}
    return Answer(http=200, headers=told, end="ended")


def test_one_seed_is_one_series() -> None:
    assert series(7) == series(7)
    assert series(7) != series(8)


def test_every_method_is_called() -> None:
    called = {f"{method.containing_service.full_name}.{method.name}" for method in methods()}

    assert {method.name for method in installed_methods()} < called
    assert {"grpc.health.v1.Health.Watch", "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo"} < called


def test_message_is_one_of_its_kind_until_it_is_broken() -> None:
    values = Values(Random(1))
    for method in methods():
        for fit in (True, False):
            message = make_message(method.input_type, values, fit=fit)
            assert type(message).FromString(message.SerializeToString()) is not None
            break_bytes(message.SerializeToString(), values.random)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(http=200, headers={"grpc-status": "0"}, end="ended"), None),
        (answered(as_status(NotFound())), None),
        (Answer(http=200, headers={"grpc-status": "3"}, end="ended"), "INVALID_ARGUMENT without a number of ours: "),
        (answered(as_status(Busy())), None),
        (Answer(http=200, headers={"grpc-status": "14"}, end="ended"), "UNAVAILABLE, which is not ours: "),
        (Answer(http=200, headers={"grpc-status": "13", "grpc-message": "a%20b"}, end="ended"), "INTERNAL: a b"),
        (Answer(http=200, headers={"grpc-status": "2"}, end="ended"), "UNKNOWN: "),
        (Answer(http=200, headers={"grpc-status": "99"}, end="ended"), "99: "),
        (Answer(http=502, end="ended"), "HTTP 502"),
        (Answer(end="hangs"), "no answer"),
        (Answer(end="reset with code 2"), "no status: reset with code 2, HTTP 0"),
    ],
)
def test_answer_that_is_wrong_is_seen(answer: Answer, fault: str | None) -> None:
    assert fault_of(SENT, answer) == fault


def test_rude_call_may_be_broken_off_or_wait_but_does_no_harm() -> None:
    rude = SENT._replace(is_rude=True)

    assert fault_of(rude, Answer(end="hangs")) is fault_of(rude, Answer(end="connection closed")) is None
    assert fault_of(rude, Answer(http=200, headers={"grpc-status": "2"}, end="ended"))
    core = {"grpc-status": "13", "grpc-message": "Compression bit set but no encoding configured"}
    assert fault_of(rude, Answer(http=200, headers=core, end="ended")) is None
    assert fault_of(SENT, Answer(http=200, headers=core, end="ended"))


@pytest.mark.parametrize(
    ("status", "body", "is_wrong"),
    [
        (200, {}, False),
        (404, {}, False),
        (503, {"code": 10000004}, False),
        (503, {}, True),
        (500, {"code": 1}, True),
        (504, {"code": 10000005}, True),
    ],
)
def test_answer_over_http_that_is_wrong_is_seen(status: int, body: dict[str, int], is_wrong: bool) -> None:
    assert bool(http_fault(httpx.Response(status, json=body))) is is_wrong


@pytest.mark.parametrize(
    ("status", "body", "is_wrong"),
    [
        (200, {"OrderId": "1"}, False),
        (404, body_of_old(NotFound(), error_body(NotFound())), False),
        (404, error_body(NotFound()), True),
        (404, {"code": 5, "message": "", "details": []}, True),
        (502, {}, True),
    ],
)
def test_answer_of_v1_in_another_form_is_seen(status: int, body: dict[str, Any], is_wrong: bool) -> None:
    assert bool(form_fault(httpx.Response(status, json=body))) is is_wrong


def test_operation_that_was_never_carried_out_is_named() -> None:
    answers = Counter({("GET /a", 200): 1, ("GET /a", 404): 5, ("GET /b", 404): 2, ("POST /c", 503): 1})

    assert never_done(answers) == "GET /b, POST /c"
    assert never_done(answers - Counter({("GET /b", 404): 2, ("POST /c", 503): 1})) == "none"


def test_what_was_sent_can_be_sent_again() -> None:
    assert SENT.curl("127.0.0.1:8081") == (
        "echo 0000000000 | xxd -r -p | curl -sv --http2-prior-knowledge -H $'x: \\x27\\xff' --data-binary @- "
        "http://127.0.0.1:8081/Stock/GetStock"
    )


def test_trouble_in_a_log_is_seen() -> None:
    log = "one\ntwo\nTraceback (most recent call last):\n  File x\nValueError: y\nlast"

    assert troubles(log) == [log]
    assert troubles("one\nrequest status=400\n") == []


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.once
def test_fuzzers_find_nothing_in_a_moment() -> None:
    words = ["--only", "grpc,notices", "--minutes", "0.1", "--seed", "1", "--transports", "grpcio"]

    done = subprocess.run([sys.executable, "-m", "lab.fuzz", *words], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Seed 1" in done.stdout
    assert "Nothing found" in done.stdout
