import errno
import io
import logging
import os
import threading

import pytest
import structlog

from charites.common import line_stream
from charites.common.line_stream import AccessStream
from charites.common.logs import (
    Access,
    clean_request_id,
    configure,
    current_request_id,
    new_request_id,
    request_context,
)
from lab.kit.log_lines import json_lines


@pytest.fixture
def lines():
    """Configures logs as JSON, yields a function that returns the lines so far, and puts the logs back."""
    with json_lines() as lines:
        yield lines


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


class Slow(io.StringIO):
    """A log whose reader holds it up until it is let go."""

    def __init__(self):
        super().__init__()
        self.writing, self.go_on = threading.Event(), threading.Event()

    def write(self, text):
        self.writing.set()
        assert self.go_on.wait(10)
        return super().write(text)


def test_lines_of_answered_requests_are_written_by_a_thread_that_holds_up_nobody():
    log = Slow()
    stream = AccessStream(log)
    threads = threading.active_count()

    stream.info("one")
    assert log.writing.wait(10)
    for line in ("two", "three"):
        stream.info(line)
    assert threading.active_count() == threads + 1
    log.go_on.set()
    stream.flush()

    assert log.getvalue() == "one\ntwo\nthree\n"


def test_log_that_is_held_up_costs_lines_and_no_memory(monkeypatch):
    monkeypatch.setattr(line_stream, "MOST_LINES", 3)
    stream = AccessStream(io.StringIO(), seconds=600)
    before = line_stream.LINES_DROPPED._value.get()

    for number in range(5):
        stream.info(str(number))
    stream.flush()

    assert stream._stream.getvalue() == "0\n1\n2\n"
    assert line_stream.LINES_DROPPED._value.get() == before + 2


def test_lines_of_the_parent_are_not_written_by_a_forked_child():
    stream = AccessStream(io.StringIO(), seconds=600)
    stream.info("the parent's")

    child = os.fork()
    if not child:
        stream.info("the child's")
        stream.flush()
        os._exit(0 if stream._stream.getvalue() == "the child's\n" else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("is_closed", [False, True])
def test_line_of_an_answered_request_that_cannot_be_written_harms_nobody(is_closed):
    full = Full()
    if is_closed:
        full.close()
    stream = AccessStream(full)

    stream.info("a line")
    stream.flush()


def test_line_with_an_exception_has_its_trace(lines):
    try:
        raise ValueError("reason")
    except ValueError as error:
        structlog.get_logger("charites.tests.three").error("failed", exc_info=error)

    assert "ValueError: reason" in lines()[0]["exception"]


def test_line_of_a_wrong_host_name_says_which_and_blames_no_code(lines, client):
    client.get("/", headers={"host": "elsewhere.example"})

    (line,) = [line for line in lines() if line["logger"].startswith("django.security")]
    assert "elsewhere.example" in line["event"]
    assert "exception" not in line


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
