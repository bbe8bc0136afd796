"""How tests are dealt to the workers of pytest-xdist: one by one, the long ones first, and together what shares.

A plugin of pytest, loaded by the top conftest.py. Tests of a file that makes something once for all of them (a whole
shop, a broker) go to one worker, which makes it once.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARING = 'scope="module"'


class Dealer(LoadScopeScheduling):
    """Deals a file to one worker if its tests share, else each of its tests to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if shares(self.config.rootpath / file) else nodeid


@cache
def shares(file: Path) -> bool:
    """Whether the tests of this file share a fixture: the dealer is only told their names, so it looks there."""
    return any(SHARING in path.read_text() for path in (file, file.with_name("conftest.py")) if path.exists())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Callable[..., None]) -> Dealer:
    return Dealer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no worker begins one when the others have nothing left to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
