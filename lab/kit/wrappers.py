"""A look at every statement, or a hand in it, whichever connection it goes over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created


@contextmanager
def on_every_connection(wrapper: Callable[..., Any]) -> Iterator[None]:
    """Puts an execute wrapper around the statements of this connection, and of those that are made inside the block."""

    def watch(connection: Any, **_signal: Any) -> None:
        connection.execute_wrappers.append(wrapper)

    connection_created.connect(watch)
    try:
        with connection.execute_wrapper(wrapper):
            yield
    finally:
        connection_created.disconnect(watch)
