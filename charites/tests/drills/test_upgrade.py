"""A shop of the version before becomes this one, and the other way round, while buyers are at it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

from charites.tests.drills.load import await_orders, pause, turned_away
from charites.tests.drills.site import NAMES, OTHER_CODE, Site, crowd, open_site, replace, start
from lab.kit.processes.shop import ROOT, Shop
from lab.kit.trials import Trials

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

APPS = ("charites/common", "goods", "stock", "messaging", "orders")
BEHIND, SERVERS = ("sweep", "worker"), ("grpc", "web")


@pytest.fixture
def site(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Site]:
    with open_site(tmp_path, process_environment) as site:
        yield site


@pytest.mark.long
def test_shop_of_the_version_before_becomes_this_one_and_no_call_fails(site: Site, trials: Trials) -> None:
    """As docs/upgrading.md says: `migrate` beside it, then one process after the other; and back. The version before is
    the code of DRILL_OTHER_CODE; without it this code is both, and there is nothing to migrate."""
    one = site.shops["one"]
    with tables_of(OTHER_CODE, one) as missing:
        for shop in site.shops.values():
            shop.code = OTHER_CODE
        one.start(*BEHIND)
        start(site, *NAMES)
        with crowd(site, trials) as history:
            pause(trials)
            began = time.monotonic()
            migrate(one)
            migrated = time.monotonic()
            pause(trials)
            for code in (ROOT, OTHER_CODE, ROOT)[: trials.count(sample=1, full=3)]:
                replace_all(site, code)
            ended = time.monotonic()
            await_orders(history, ended)
            failed = turned_away(history.calls, began)
            assert failed == []
    trials.tell(
        f"{len(missing)} migrations in {migrated - began:.1f} s, all replaced in {ended - migrated:.1f} s, "
        f"{len(failed)} calls failed; {history.summary()}"
    )


def replace_all(site: Site, code: Path) -> None:
    """Sweep and worker first, then one server after the other."""
    one = site.shops["one"]
    for kind in BEHIND:
        assert one.end(kind) == 0
        one.code = code
        one.start(kind)
    for name, kind in product(NAMES, SERVERS):
        replace(site, name, kind, code)


@contextmanager
def tables_of(code: Path, shop: Shop) -> Iterator[list[str]]:
    """The tables as another version has them: what it does not know is taken back, and brought again at the end. Gives
    the names of these migrations."""
    missing = []
    try:
        for app in APPS:
            theirs, ours = migrations(code, app), migrations(ROOT, app)
            if theirs != ours:
                migrate(shop, app.replace("/", "_"), theirs[-1])
                missing += [name for name in ours if name not in theirs]
        yield missing
    finally:
        if missing:
            migrate(shop)


def migrations(code: Path, app: str) -> list[str]:
    return sorted(path.stem for path in (code / app / "migrations").glob("0*.py"))


def migrate(shop: Shop, *words: str) -> None:
    done = shop.manage("migrate", "--verbosity", "0", *words)
    assert done.returncode == 0, done.stderr
