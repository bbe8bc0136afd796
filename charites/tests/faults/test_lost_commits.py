"""The reply to a COMMIT is lost under every call that writes: what the caller is told, what is true, and what doing as
the answer says then does. A sample is all of it: half a minute on a quiet machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from charites.tests.faults.doors import Answer, Door, Grpc, Said
from charites.tests.faults.writing_calls import CALLS, Call
from lab.kit.factories import SANDBOX
from lab.kit.findings import findings
from lab.kit.grpc_server import grpc_callers
from lab.kit.interleaving import Background
from lab.kit.proxy import lossy_database
from lab.kit.trials import Trials
from orders.models import Refund

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

FATES = {(True, False): "carried out", (False, False): "not carried out"}
FATES |= {(True, True): "carried out, database away", (False, True): "not carried out, database away"}


@contextmanager
def opened(door: type[Door]) -> Iterator[Door]:
    if door is Grpc:
        with grpc_callers() as callers:
            yield Grpc(callers)
    else:
        yield door()


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_answer_to_a_lost_commit_is_true_and_to_do_as_it_says_does_it_once(
    trials: Trials, settings: Any, call: Call
) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
    with opened(call.door) as door:
        for number, ((carried_out, away), fate) in enumerate(FATES.items(), start=1):
            made = call.deed.make(number)
            done = call.deed.done.format(goods=f"Goods {number}")
            before = call.deed.state(number, made)
            assert before != done

            with lossy_database(after=call.at, carried_out=carried_out, away=away) as proxy:
                with Background(lambda: call.send(door, number, made, None)) as sent:  # noqa: B023 (ends in its round)
                    raw = sent.result()
            answer, truth = door.read(raw), call.deed.state(number, made)

            assert proxy.lost == 1
            assert answer.said is (Said.UNKNOWN if away else call.told[not carried_out]), (fate, answer, truth)
            assert claim(answer, before, done) in (truth, "anything"), (fate, answer)
            repeat = as_the_answer_says(call, door, number, made, answer, is_done=truth == done)
            assert call.deed.state(number, made) == done, (fate, answer, repeat)
            trials.row(
                {
                    "call": call.title,
                    "door": door.name,
                    "COMMIT": ", ".join(filter(None, [call.commit, fate])),
                    "answer": f"{answer.said.value}: {answer.words}",
                    "truth": truth,
                    "repeated": f"{repeat.said.value}: {repeat.words}" if repeat else "-",
                    "in the end": done,
                }
            )
    assert findings() == []


def claim(answer: Answer, before: str, done: str) -> str:
    """The state that an answer promises."""
    return {Said.DONE: done, Said.NOTHING: before}.get(answer.said, "anything")


def as_the_answer_says(
    call: Call, door: Door, number: int, made: Any, answer: Answer, *, is_done: bool
) -> Answer | None:
    """What a caller does next: nothing, the same again, or (without a key) first a look at what is there."""
    if answer.said is Said.DONE or (answer.said is Said.UNKNOWN and call.looks_first and is_done):
        return None
    Refund.objects.update(leased_until=None)  # a minute later, when no try of it can be under way
    repeat = door.read(call.send(door, number, made, answer))
    assert repeat.said is Said.DONE or (repeat.said is Said.REFUSED and is_done), (answer, repeat)
    return repeat
