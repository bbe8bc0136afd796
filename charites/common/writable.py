"""Whether the database takes writes."""

from django.db import connection


class ReadOnly(Exception):
    """The database answers, and takes no writes: it is a replica, or not yet promoted."""


def ping_database() -> None:
    """Raises ReadOnly, and what the database raises."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.read_only" if connection.vendor == "mysql" else "SELECT 0")
        (is_read_only,) = cursor.fetchone()
    if is_read_only:
        raise ReadOnly
