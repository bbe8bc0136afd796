"""When the provider is asked about payments that brought no money, and when a refund is tried again."""

from datetime import datetime, timedelta

from messaging.registry import RETRY_LADDER

PROVIDER_PATIENCE = timedelta(minutes=10)  # then an order is closed although the provider does not answer
# Money may come in although a payment or its order was closed; so long afterwards the provider is asked about it.
QUESTION_STEPS = (*(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)), timedelta(hours=24))
UNANSWERED_STEP = timedelta(hours=1)  # the last question stands until it is answered
REFUND_STEPS = RETRY_LADDER  # then its last step, for good


def first_question_at(closed_at: datetime) -> datetime:
    """When to ask for the first time about a payment that was closed, or whose order was."""
    return closed_at + QUESTION_STEPS[0]


def question_after(number: int, due_at: datetime, *, now: datetime) -> tuple[int, datetime] | None:
    """Which question follows the one that was due at `due_at`, and when; None after the last one.

    `number` counts from 0. Questions whose time has passed meanwhile were answered by this one.
    """
    closed_at = due_at - QUESTION_STEPS[number]
    following = enumerate(QUESTION_STEPS[number + 1 :], start=number + 1)
    return next(((n, closed_at + step) for n, step in following if closed_at + step > now), None)


def refund_try_after(attempts: int, *, now: datetime) -> datetime:
    """When to try a refund again after `attempts` tries, one or more."""
    return now + REFUND_STEPS[min(attempts, len(REFUND_STEPS)) - 1]
