"""Slow calls side by side: what they know, and what becomes of their exceptions."""

import threading

import pytest
from django.db import connection, connections
from django.utils import translation

from charites.common.logs import current_request_id, request_context
from charites.common.threads import AT_ONCE, each_at_once
from orders.errors import OrderNotFound


@pytest.mark.parametrize("number", [0, 1, 2, 3 * AT_ONCE])
def test_every_item_has_its_call(number):
    called = []

    each_at_once(called.append, range(number))

    assert sorted(called) == list(range(number))


def test_eight_calls_run_side_by_side():
    barrier = threading.Barrier(AT_ONCE)

    each_at_once(lambda _: barrier.wait(120), range(AT_ONCE))  # passes only when all of them are there together

    assert AT_ONCE == 8


@pytest.mark.parametrize("number", [1, 3])
def test_calls_know_the_request_and_the_language_of_their_caller(number):
    seen = []

    with request_context("request-1"), translation.override("zh-hans"):
        each_at_once(lambda _: seen.append((current_request_id(), OrderNotFound(order_id=5).message)), range(number))

    with translation.override("zh-hans"):
        assert seen == [("request-1", OrderNotFound(order_id=5).message)] * number
    assert current_request_id() == ""


def test_what_one_call_binds_no_other_sees():
    seen = []

    def call(_):
        seen.append(translation.get_language())
        translation.activate("zh-hans")

    with translation.override("en"):
        each_at_once(call, range(3 * AT_ONCE))
        assert translation.get_language() == "en"

    assert seen == ["en"] * 3 * AT_ONCE


def test_the_first_exception_is_raised_and_the_others_are_logged(caplog):
    called = []

    def call(number):
        called.append(number)
        if number in (3, 5, 20):
            raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 3"):
        each_at_once(call, range(3 * AT_ONCE))

    assert sorted(called) == list(range(3 * AT_ONCE))
    assert [record.msg["event"] for record in caplog.records] == ["call_failed_beside_another"] * 2
    assert [number for number in range(3 * AT_ONCE) if f"number {number}'" in caplog.text] == [5, 20]


def test_the_exception_of_a_lone_call_is_raised(caplog):
    def call(number):
        raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 7"):
        each_at_once(call, [7])

    assert caplog.records == []


@pytest.mark.django_db(transaction=True)
def test_connections_of_the_threads_are_closed():
    opened = []

    def call(_):
        connection.ensure_connection()
        opened.append(connections["default"])

    each_at_once(call, range(3))

    assert [used.connection for used in opened] == [None] * 3
