"""The demo's addresses in a test: which there are is decided once, when a process reads them."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.test import override_settings
from django.urls import clear_url_caches

import charites.urls


@contextmanager
def demo_addresses(*, demo: bool = True) -> Iterator[None]:
    """Inside, this process is the demo (or is not), and has its addresses."""
    try:
        with override_settings(DEMO=demo):
            read()
            yield
    finally:
        read()


def read() -> None:
    importlib.reload(charites.urls)
    clear_url_caches()
