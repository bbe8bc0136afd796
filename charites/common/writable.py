"""Whether the database takes writes."""

from django.db import connection

WRITABLE = (0, "OFF")  # `read_only`, by number, or by the names that MariaDB has since 12.0


class ReadOnly(Exception):
    """The database answers, and takes no writes: it is a replica, or not yet promoted."""


def ping_database() -> None:
    """Raises ReadOnly, and what the database raises."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.read_only" if connection.vendor == "mysql" else "SELECT 0")
        (read_only,) = cursor.fetchone()
    if read_only not in WRITABLE:
        raise ReadOnly
