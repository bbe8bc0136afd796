import io
import json
import logging
import threading
from contextlib import suppress

import pytest
import structlog
from django.conf import settings

from charites.common.logs import (
    Access,
    AccessStream,
    clean_request_id,
    configure,
    current_request_id,
    new_request_id,
    request_context,
)


@pytest.fixture
def lines(monkeypatch):
    """Configures logs as JSON, yields a function that returns the lines so far, and puts the logs back."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    configure({"level": "INFO", "as_json": True})
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    monkeypatch.undo()
    configure(settings.LOGGING)
    root.handlers[:] = before
    root.setLevel(level)


def test_line_carries_the_request_id_and_its_fields(lines):
    with request_context("request-1", topic="t"):
        structlog.get_logger("charites.tests.one").info("something", order_id=5)

    (line,) = lines()
    assert (line["event"], line["order_id"], line["request_id"], line["topic"], line["level"]) == (
        "something",
        5,
        "request-1",
        "t",
        "info",
    )


def test_line_of_the_standard_library_carries_it_too(lines):
    with request_context("request-1"):
        logging.getLogger("a.library").warning("old %s", "style")

    (line,) = lines()
    assert (line["event"], line["request_id"]) == ("old style", "request-1")


def test_line_below_the_level_is_not_written(lines):
    structlog.get_logger("charites.tests.two").debug("quiet")

    assert lines() == []


def test_line_of_an_answered_request_carries_the_same(lines):
    with request_context("request-1"):
        Access.log.info("call", method="Order.GetOrder", ms=1.5)
    Access.stream.flush()

    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "call",
        "level": "info",
        "logger": "charites.access",
        "method": "Order.GetOrder",
        "ms": 1.5,
        "request_id": "request-1",
    }


def test_line_of_an_answered_request_is_not_written_below_the_level(lines):
    configure({"level": "WARNING", "as_json": True})
    Access.log.info("call", method="Order.GetOrder")
    Access.stream.flush()

    assert lines() == []


def test_lines_of_answered_requests_are_written_after_a_moment():
    written = threading.Event()

    class Stream(io.StringIO):
        def flush(self):
            written.set()

    stream = AccessStream(Stream())

    stream.info("one")
    stream.info("two")

    assert written.wait(10)
    assert stream._stream.getvalue() == "one\ntwo\n"


def test_lines_of_the_parent_are_not_written_by_a_forked_child():
    stream = AccessStream(io.StringIO(), seconds=600)
    stream.info("the parent's")

    stream.forget()  # as after a fork
    stream.info("the child's")
    stream.flush()

    assert stream._stream.getvalue() == "the child's\n"


def test_line_of_an_answered_request_that_cannot_be_written_harms_nobody():
    full = open("/dev/full", "w")  # noqa: SIM115
    stream = AccessStream(full)

    stream.info("a line")
    stream.flush()
    with suppress(OSError):
        full.close()
    stream.info("a line for a stream that is closed")
    stream.flush()


def test_line_with_an_exception_has_its_trace(lines):
    try:
        raise ValueError("reason")
    except ValueError as error:
        structlog.get_logger("charites.tests.three").error("failed", exc_info=error)

    assert "ValueError: reason" in lines()[0]["exception"]


def test_context_ends_with_its_block_and_may_be_nested():
    assert current_request_id() == ""
    with request_context("outer"):
        with request_context("inner") as request_id:
            assert (request_id, current_request_id()) == ("inner", "inner")
        assert current_request_id() == "outer"
    assert current_request_id() == ""


@pytest.mark.parametrize("given", ["a", "A-b_c.d:1", "x" * 64])
def test_harmless_request_id_is_kept(given):
    assert clean_request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\nb", "a\n", "<script>", "é"])
def test_any_other_request_id_is_replaced(given):
    made = clean_request_id(given)

    assert made != given
    assert len(made) == 32
    assert clean_request_id(made) == made


def test_new_request_ids_differ():
    assert new_request_id() != new_request_id()
