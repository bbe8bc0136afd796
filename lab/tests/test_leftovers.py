import subprocess
from pathlib import Path

from lab.run import leftovers


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
