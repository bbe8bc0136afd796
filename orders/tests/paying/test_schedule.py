from datetime import timedelta

import pytest

from lab.kit.factories import NOW
from orders.payments.schedule import QUESTION_STEPS, first_question_at, question_after, refund_try_after


def minutes(number: float):
    return NOW + timedelta(minutes=number)


def test_questions_come_after_1_5_15_60_minutes_and_a_day():
    asked, question = [], (0, first_question_at(NOW))
    while question:
        asked.append((question[1] - NOW) / timedelta(minutes=1))
        question = question_after(*question, now=question[1] + timedelta(seconds=1))

    assert asked == [1, 5, 15, 60, 24 * 60]


@pytest.mark.parametrize(
    ("number", "asked_at", "expected"),
    [
        (0, 4.9, (1, 5)),
        (0, 5, (2, 15)),
        (0, 59, (3, 60)),
        (1, 61, (4, 1440)),
        (0, 1440, None),
        (4, 1440, None),
        (4, 9999, None),
    ],
)
def test_question_that_comes_late_answers_those_whose_time_has_passed(number, asked_at, expected):
    following = question_after(number, NOW + QUESTION_STEPS[number], now=minutes(asked_at))

    assert following == (expected and (expected[0], minutes(expected[1])))


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 30), (15, 3600), (16, 7200), (17, 7200), (500, 7200)])
def test_refund_is_tried_on_a_ladder_whose_last_step_is_for_good(attempts, seconds):
    assert refund_try_after(attempts, now=NOW) == NOW + timedelta(seconds=seconds)
