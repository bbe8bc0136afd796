"""What servers do with their process once everything is loaded."""

import asyncio
import gc
import sys
from collections.abc import Iterator

import pytest

from charites.common.processes import COLLECT_AFTER, run_server, settle_in


@pytest.fixture
def collector() -> Iterator[None]:
    """Puts the garbage collector back."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_settled_process_has_its_objects_out_of_the_collectors_way() -> None:
    settle_in()

    assert gc.get_freeze_count() > COLLECT_AFTER
    assert gc.get_threshold()[0] == COLLECT_AFTER


@pytest.mark.parametrize("is_there", [True, False])
def test_server_runs_on_uvloop_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel here")
    if not is_there:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    loops = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())

    run_server(serve())

    assert isinstance(loops[0], uvloop.Loop) is is_there
