"""The pages of a small race: who sees them, one race at a time, from the button to the report."""

import base64
import fcntl
import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import NoReverseMatch, reverse

from charites.common.rest.content_policy import HEADER, STRICT
from lab.kit.demo_addresses import demo_addresses
from lab.kit.processes.shop import wait_until
from lab.race.progress import HowFar, Lane, write_progress
from lab.web import small_race
from lab.web.race_program import LOCK, LOG, PROGRESS, REPORT
from lab.web.small_race import State

pytestmark = [pytest.mark.django_db, pytest.mark.once]

ROOT = Path(__file__).resolve().parents[3]
BOUND_SECONDS = 120  # for slow machines, no measurement
OTHERS = {"elsewhere": {"REMOTE_ADDR": "192.0.2.7"}, "proxy": {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}}
SOMEBODY = """
import sys, django
django.setup()
from pathlib import Path
from typing import Any
from lab.web import small_race
small_race.FOLDER, sys.executable = Path(sys.argv[1]), sys.argv[2]
small_race.start("en")
print("started", flush=True)
sys.stdin.read()
"""


@contextmanager
def under_way(folder: Path) -> Iterator[None]:
    """As if a race of another web process were under way."""
    folder.mkdir()
    with (folder / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def state_of(html: str) -> str:
    (state,) = re.findall(r'data-testid="race-state" data-state="([a-z]+)"', html)
    return str(state)


def alive(folder: Path) -> list[str]:
    """Processes whose temporary files are in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:
            continue  # it ended meanwhile
    return found


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes of this test have their temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


# Who sees them


@pytest.mark.usefixtures("demo", "folder")
def test_front_page_of_the_demo_has_the_button() -> None:
    page = Client().get("/").text

    assert 'action="/race"' in page


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("sender", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize(("method", "path"), [("get", "/race"), ("post", "/race"), ("get", "/race/report")])
def test_race_is_not_found_by_others(
    settings: Any, method: str, path: str, sender: dict[str, str], folder: Path
) -> None:
    settings.DEBUG = True  # as in the demo, where Django's own page would list all addresses

    answer = getattr(Client(), method)(path, **sender)

    assert answer.status_code == 404
    assert "<h1>There is no such page</h1>" in answer.text
    assert not folder.exists()


@pytest.mark.parametrize("path", ["/race", "/race/report"])
def test_shop_that_is_no_demo_has_no_race(path: str) -> None:
    with demo_addresses(demo=False):
        with pytest.raises(NoReverseMatch):
            reverse("race")
        assert Client().get(path).status_code == 404
        assert 'action="/race"' not in Client().get("/").text


def test_demo_without_the_instruments_has_no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(apps.app_configs, "lab")

    with demo_addresses():
        page = Client().get("/")

        assert Client().get("/race").status_code == 404
        assert page.status_code == 200
        assert 'action="/race"' not in page.text


@pytest.mark.usefixtures("demo")
def test_race_takes_no_form_of_another_site(folder: Path) -> None:
    answer = Client(enforce_csrf_checks=True).post("/race")

    assert answer.status_code == 403
    assert not folder.exists()


@pytest.mark.usefixtures("demo", "folder")
@pytest.mark.parametrize(("method", "path"), [("put", "/race"), ("delete", "/race"), ("post", "/race/report")])
def test_race_takes_no_other_method(method: str, path: str) -> None:
    assert getattr(Client(), method)(path).status_code == 405


# How it stands


@pytest.mark.usefixtures("demo", "folder")
def test_page_before_the_first_race_has_a_button_and_no_report() -> None:
    page, report = Client().get("/race"), Client().get("/race/report")

    assert state_of(page.text) == "none"
    assert "<button" in page.text
    assert (report.status_code, report["Location"]) == (302, "/race")
    assert (page[HEADER], page["Cache-Control"].count("no-store")) == (STRICT, 1)


@pytest.mark.usefixtures("demo")
def test_second_race_does_not_start_and_the_first_one_is_shown(folder: Path) -> None:
    with under_way(folder):
        write_progress(HowFar([Lane("naive", 120, 200), Lane("group_commit", 0, 200)]), folder / PROGRESS)

        answer = Client().post("/race", follow=True)

        assert answer.redirect_chain == [("/race?then=report", 302)]
        assert state_of(answer.text) == "running"
        assert '<progress max="200" value="120">' in answer.text
        assert '<meta http-equiv="refresh" content="1">' in answer.text
        assert 'data-testid="race"' not in answer.text
        assert (folder / LOG).read_text() == ""
    assert state_of(Client().get("/race").text) == "failed"


@pytest.mark.usefixtures("demo")
def test_page_says_who_has_come_before_the_race_begins(folder: Path) -> None:
    with under_way(folder):
        first = Client().get("/race").text
        write_progress(HowFar(ready=2, processes=3), folder / PROGRESS)
        second = Client().get("/race").text

    assert "<progress></progress>" in first
    assert '2 of 3 processes have started <progress max="3" value="2">' in second


@pytest.mark.usefixtures("demo")
def test_report_of_the_race_before_is_not_shown_for_the_one_under_way(folder: Path) -> None:
    with under_way(folder):
        (folder / REPORT).write_text("<main>old</main>")

        assert Client().get("/race/report")["Location"] == "/race"


@pytest.mark.usefixtures("demo")
def test_race_that_failed_says_its_last_words_escaped(folder: Path) -> None:
    folder.mkdir()
    (folder / LOG).write_text("no room\n" * 20 + "<b>no disk</b>\n")

    page = Client().get("/race?then=report").text

    assert state_of(page) == "failed"
    assert "&lt;b&gt;no disk&lt;/b&gt;" in page
    assert page.count("no room") == 14
    assert "<button" in page


@pytest.mark.usefixtures("demo", "folder", "temporary")
def test_race_whose_program_does_not_run_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    Client().post("/race")

    wait_until(lambda: small_race.look().state is State.FAILED, seconds=BOUND_SECONDS, what="the race has failed")


# A real one


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_race_runs_to_its_report_and_leaves_nothing(folder: Path, temporary: Path) -> None:
    browser = Client(headers={"Accept-Language": "zh-CN"})

    browser.post("/race")
    wait_until(lambda: not small_race.is_running(), seconds=BOUND_SECONDS, what="the race is over")
    led = browser.get("/race?then=report")
    report = browser.get("/race/report")

    assert (folder / LOG).read_text().count("exact") == 1
    assert led["Location"] == "/race/report"
    assert '<html lang="zh-hans">' in report.text
    assert '<a href="/race">' in report.text
    (style,) = re.findall(r"<style>(.*?)</style>", report.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'" in report[HEADER]
    assert "unsafe" not in report[HEADER]
    assert small_race.look().far.lanes == [Lane("naive", 200, 200), Lane("group_commit", 200, 200)]
    assert state_of(browser.get("/race").text) == "done"
    assert list(temporary.iterdir()) == []
    wait_until(lambda: alive(temporary) == [], seconds=BOUND_SECONDS, what="the end of all processes")


def write_program(file: Path, **bounds: float) -> Path:
    """A program like Python that runs a race too long to come to its end here, with other `bounds`."""
    changed = "".join(f"program.{name} = {value}; " for name, value in bounds.items())
    code = (
        "import sys; from pathlib import Path; from lab.web import race_program as program; "
        f"program.SIZE.update(buyers='50000', stock='50000'); {changed}program.main(Path(sys.argv[1]), sys.argv[2])"
    )
    file.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$3" "$4"\n')
    file.chmod(0o700)
    return file


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_race_ends_with_whoever_started_it(
    number: signal.Signals, tmp_path: Path, folder: Path, temporary: Path
) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "charites.settings"}
    command = [sys.executable, "-c", SOMEBODY, str(folder), str(write_program(tmp_path / "python", MOST_SECONDS=3600))]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"started\n"
        wait_until(lambda: (folder / PROGRESS).exists(), seconds=BOUND_SECONDS, what="the race has begun")
        starter.send_signal(number)

    wait_until(lambda: alive(temporary) == [], seconds=BOUND_SECONDS, what="the end of all processes")
    wait_until(lambda: not small_race.is_running(), seconds=BOUND_SECONDS, what="the lock is free")
    assert list(temporary.iterdir()) == []
    assert small_race.look().state is State.FAILED


@pytest.mark.slow
def test_race_ends_when_its_time_is_over(
    tmp_path: Path, folder: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(write_program(tmp_path / "python", MOST_SECONDS=3)))

    small_race.start("en")

    wait_until(lambda: not small_race.is_running(), seconds=BOUND_SECONDS, what="the race is over")
    wait_until(lambda: alive(temporary) == [], seconds=BOUND_SECONDS, what="the end of all processes")
    assert small_race.look().state is State.FAILED


@pytest.mark.long
@pytest.mark.slow
def test_race_that_does_not_listen_is_ended_all_the_same(folder: Path, tmp_path: Path, temporary: Path) -> None:
    folder.mkdir()
    program = write_program(tmp_path / "python", CLEAN_UP_SECONDS=0)
    program.write_text(program.read_text().replace("exec", "trap '' TERM\nexec"))

    with subprocess.Popen([program, "-m", "race", folder, "en"], cwd=ROOT, stdin=subprocess.PIPE) as race:
        wait_until(lambda: (folder / PROGRESS).exists(), seconds=BOUND_SECONDS, what="the race has begun")

    assert race.returncode == 1
    wait_until(lambda: alive(temporary) == [], seconds=BOUND_SECONDS, what="the end of all processes")
