"""What a server gets before its first caller comes, who would else wait for it: the time, a range of numbers, and whose
tokens have ended."""

import structlog
from django.conf import settings
from django.db import Error, connection

from charites.common import clock
from charites.common.auth.standing import ends
from charites.common.errors import ServiceError
from charites.common.ids import next_ids

log = structlog.get_logger(__name__)


def warm_up() -> None:
    """Reads the database's clock and whose tokens have ended, and leases a node for numbers. Where the database is
    away the server starts all the same, and its first callers wait."""
    try:
        clock.now()
        if settings.APPS != ["goods"]:
            next_ids(1)
        if settings.USERS_ARE_HERE:
            ends()
    except (Error, ServiceError) as error:
        log.warning("started_without_database", error=repr(error))
    finally:
        connection.close()
