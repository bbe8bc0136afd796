"""What servers do with their process once everything is loaded."""

import asyncio
import gc
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from charites.common.processes import COLLECT_AFTER, ProcessNumber, run_server, settle_in


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


def test_number_of_a_forked_process_is_its_own() -> None:
    number = ProcessNumber()
    before = number()

    child = os.fork()
    if not child:
        os._exit(0 if number() == os.getpid() != before else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert number() == before == os.getpid()


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


@pytest.mark.parametrize(("soft", "hard"), [(64, 256), (256, 256)])
def test_process_may_have_as_many_connections_as_the_system_lets_it(soft: int, hard: int) -> None:
    program = "import resource; from charites.common.processes import allow_connections; allow_connections();"
    program += "print(resource.getrlimit(resource.RLIMIT_NOFILE))"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    done = subprocess.run([sys.executable, "-c", program], preexec_fn=limit, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"({hard}, {hard})"
