"""How every process starts: what would fail a buyer ends it before it serves, in a sentence each and no traceback."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import django
import structlog
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connection

from charites.common.checks import SERVING
from charites.common.processes import allow_connections

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
# What a wait does not mend: an unknown database, a wrong password, a user without rights.
HOPELESS = {1044, 1045, 1049, 1698}
AWAY = {2002, 2003, 2005}
UNREACHABLE = "The database of DATABASE_URL cannot be reached: {}"


class CannotServe(Exception):
    """Why a process must not serve: a sentence a line."""


@contextmanager
def refusals() -> Iterator[None]:
    """Ends the process where the block finds out that it must not run."""
    try:
        yield
    except (ImproperlyConfigured, CannotServe) as error:
        sys.exit(str(error))
    except OperationalError as error:
        if not is_out_of_reach(error):
            raise
        sys.exit(UNREACHABLE.format(error))


def prepare_to_serve() -> None:
    """Sets Django up if nobody has, and ends the process where it must not serve."""
    allow_connections()
    with refusals():
        django.setup()
        check()


def check() -> None:
    """Looks at settings and database. Raises CannotServe."""
    refuse(run_checks(tags=[SERVING]))
    await_database()
    try:
        refuse(run_checks(tags=[SERVING], include_deployment_checks=True, databases=[DEFAULT_DB_ALIAS]))
    except Error as error:
        raise CannotServe(f"The database of DATABASE_URL cannot be looked at: {error}") from error
    finally:
        connection.close()


def refuse(messages: list[CheckMessage]) -> None:
    """Raises CannotServe for what is an error and not silenced."""
    errors = [message for message in messages if message.is_serious() and not message.is_silenced()]
    if errors:
        raise CannotServe("\n".join(sorted(map(sentence, errors))))


def sentence(message: CheckMessage) -> str:
    return f"{message.msg} {message.hint}" if message.hint else str(message.msg)


def await_database() -> None:
    """Waits for a database that starts beside this process, or is away for a moment. Raises CannotServe."""
    from django.conf import settings  # noqa: PLC0415 (settings that are wrong are told by `refusals`)

    deadline = time.monotonic() + settings.DATABASE_WAIT_SECONDS
    is_said = False
    while True:
        try:
            connection.ensure_connection()
        except OperationalError as error:
            if error.args[0] in HOPELESS or time.monotonic() >= deadline:
                raise CannotServe(UNREACHABLE.format(error)) from error
            if not is_said:
                log.warning("waiting_for_database", error=repr(error))
            is_said = True
            time.sleep(PAUSE_SECONDS)
        else:
            return


def is_out_of_reach(error: OperationalError) -> bool:
    """Whether there was no connection, so that nothing has begun."""
    return error.args[0] in HOPELESS | AWAY or str(error) == "unable to open database file"


if __name__ == "__main__":  # in front of a server that would show a traceback of a setting that it reads itself
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
    prepare_to_serve()
