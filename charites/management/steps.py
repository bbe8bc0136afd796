"""Commands that work in steps, each in a transaction of its own: whoever is stopped in the middle says what is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from charites.common.errors import Busy, OutcomeUnknown
from charites.common.transactions import reading

BUSY = "The shop is busy, or its database is away; the last step had no effect, and may be tried again."
UNKNOWN = "It is not known whether the last step was carried out; it may be tried again."


@contextmanager
def stopped_with(so_far: Callable[[], str]) -> Iterator[None]:
    """What ends the steps in here is told in a sentence, with what `so_far` says of those before. Raises
    CommandError."""
    try:
        with reading():
            yield
    except Busy as error:
        raise CommandError(f"{BUSY} Before it: {so_far()}.") from error
    except OutcomeUnknown as error:
        raise CommandError(f"{UNKNOWN} Before it: {so_far()}.") from error
