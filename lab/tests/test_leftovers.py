import os
import subprocess
import sys
from pathlib import Path

from lab.run import leftovers

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120  # a bound for busy machines, no measurement


def test_find_knows_a_process_by_its_start_and_not_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "run.pid"
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        leftovers.note(file, {"web": process.pid})
        found = leftovers.find(file)
        file.write_text(f"web {process.pid} 1\n")
        another = leftovers.find(file)
        process.kill()

    assert found == {"web": process.pid}
    assert another == {}


def test_end_ends_processes_that_ignore_a_polite_request(tmp_path: Path) -> None:
    command = ["sh", "-c", f"trap '' TERM; echo > {tmp_path}/ready; while :; do sleep 0.1; done"]
    with subprocess.Popen(command, start_new_session=True) as process:
        while not (tmp_path / "ready").exists():
            pass

        leftovers.end({"web": process.pid}, patience_seconds=0.2)

    assert process.returncode == -9


def test_find_without_a_file_finds_nothing(tmp_path: Path) -> None:
    assert leftovers.find(tmp_path / "none") == {}


def test_processes_end_with_the_one_that_noted_them_however_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "run.pid"
    code = (
        "import os, sys; from pathlib import Path; from lab.run import leftovers; file = Path(sys.argv[1]); "
        "leftovers.note(file, {leftovers.SUPERVISOR: os.getpid(), 'web': int(sys.argv[2])}); "
        "heir = leftovers.end_after_this_process(file); os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as web:
        subprocess.run([sys.executable, "-c", code, str(file), str(web.pid)], cwd=ROOT, check=False)

        assert web.wait(SECONDS) == -15


def test_processes_end_though_the_one_that_noted_them_is_not_quite_gone(tmp_path: Path) -> None:
    """Its files are closed before it is."""
    file = tmp_path / "run.pid"
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as web:
        leftovers.note(file, {leftovers.SUPERVISOR: os.getpid(), "web": web.pid})

        subprocess.run([sys.executable, "-m", "lab.run.leftovers", str(file)], cwd=ROOT, input=b"", check=True)
        ended = web.poll()
        web.kill()

    assert ended == -15


def test_processes_of_the_next_run_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "run.pid"
    sleep = ["sleep", "1000"]
    with subprocess.Popen(sleep) as supervisor, subprocess.Popen(sleep, start_new_session=True) as web:
        leftovers.note(file, {leftovers.SUPERVISOR: supervisor.pid, "web": web.pid})

        subprocess.run([sys.executable, "-m", "lab.run.leftovers", str(file)], cwd=ROOT, input=b"", check=True)
        ended = web.poll()
        web.kill()
        supervisor.kill()

    assert ended is None
