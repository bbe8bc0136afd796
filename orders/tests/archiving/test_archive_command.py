"""`manage.py archive`: what it does, says and refuses; and whether its files are as they should be."""

import gzip
import io
import json
import os
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from charites.common.errors import OutcomeUnknown
from lab.kit.factories import make_closed_order, make_goods, make_paid_order
from lab.kit.findings import findings
from lab.kit.interleaving import AwayAfter, Interruption
from lab.kit.old_orders import archive, make_completed_order, make_ended_orders, make_old
from messaging.models import Announced
from orders import archives
from orders.archives import digest_of, write_archive
from orders.history import read_histories
from orders.models import Archive, ArchivedOrder, Order
from orders.services import archiving, check_archives
from orders.services.checking_archives import Stray

INSERTED = "INSERT INTO shopping_order_archived "
COUNTED = "FROM messaging_message"
BUSY = "The shop is busy, or its database is away; the last step had no effect, and may be tried again."

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]


def run(*words: object) -> str:
    out = io.StringIO()
    call_command("archive", *map(str, words), stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _goods() -> None:
    for goods_id in (1, 2):
        make_goods(goods_id, stock=1000)


def test_command_archives_old_orders_and_says_what_stays(tmp_path: Path) -> None:
    old = [make_old(make_closed_order(), 801), make_old(make_completed_order(), 801)]
    paid = make_old(make_paid_order(), 801)
    young = make_old(make_closed_order(), 799)

    counted = run("--older-than", 800, "--dry-run")
    said = run("--older-than", 800, "--to", tmp_path)

    left = "orders left: 1, paid, and neither completed nor refunded whole\n"
    assert counted == "orders found: 2\n" + left
    assert said == "orders archived: 2, in files: 1\n" + left
    assert set(ArchivedOrder.objects.values_list("order_id", flat=True)) == {order.order_id for order in old}
    assert set(Order.objects.values_list("order_id", flat=True)) == {paid.order_id, young.order_id}
    assert run("--check", tmp_path) == "files checked: 1\n"
    assert findings() == []


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ([], "one of the arguments --older-than --check --find is required"),
        (["--older-than", 800], "Give the folder for the files"),
        (["--older-than", 179, "--dry-run"], "--older-than is 180 to 36500 days"),
        (["--older-than", 800, "--to", "nowhere"], "There is no folder nowhere"),
        (["--check", "nowhere"], "There is no folder nowhere"),
        (["--older-than", 800, "--check", "."], "not allowed with argument --older-than"),
        (["--find", 1], "Order 1 has not been archived"),
    ],
)
def test_command_refuses_in_one_sentence(words: list[object], refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        run(*words)


def test_command_finds_the_file_of_an_order(tmp_path: Path) -> None:
    first, last = make_old(make_completed_order(), 801), make_old(make_closed_order(), 801)
    run("--older-than", 800, "--to", tmp_path)

    said = run("--find", first.order_id)

    (file,) = tmp_path.iterdir()
    assert file.name.startswith(f"orders-{first.order_id}-{last.order_id}-")
    assert said.startswith(f"{file.name}: order {first.order_id} of user 7, completed, 99.50\u00a0CNY, archived 20")


def test_command_leaves_orders_of_another_service_alone(settings, tmp_path: Path) -> None:
    settings.APPS = ["stock"]

    with pytest.raises(CommandError, match="another service's"):
        run("--older-than", 800, "--to", tmp_path)


def test_command_says_that_a_file_could_not_be_written_and_what_was_done(tmp_path: Path, monkeypatch) -> None:
    make_old(make_closed_order(), 801)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orders.archives.os.fsync", full)

    with pytest.raises(CommandError, match=r"could not be written: .*No space left.* orders archived: 0, in files: 0"):
        run("--older-than", 800, "--to", tmp_path)

    assert Order.objects.count() == 1


def test_database_that_goes_away_between_steps_is_told_with_what_was_done(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archiving, "STEP", 1)
    monkeypatch.setattr(archiving, "PAGE", 1)
    for _ in range(2):
        make_old(make_closed_order(), 801)

    with connection.execute_wrapper(AwayAfter(INSERTED)), pytest.raises(CommandError) as stopped:
        run("--older-than", 800, "--to", tmp_path)

    assert str(stopped.value) == f"{BUSY} Before it: orders archived: 1, in files: 1."


def test_database_that_goes_away_while_orders_are_counted_is_told_with_what_was_found(monkeypatch) -> None:
    monkeypatch.setattr(archiving, "STEP", 1)
    monkeypatch.setattr(archiving, "PAGE", 1)
    for _ in range(2):
        make_old(make_closed_order(), 801)

    with connection.execute_wrapper(AwayAfter(COUNTED)), pytest.raises(CommandError) as stopped:
        run("--older-than", 800, "--dry-run")

    assert str(stopped.value) == f"{BUSY} Before it: orders found: 1."


def test_commit_of_a_step_that_nobody_knows_of_is_told_so(tmp_path: Path, monkeypatch) -> None:
    make_old(make_closed_order(), 801)
    monkeypatch.setattr(archiving, "run", unknown)

    with pytest.raises(CommandError, match="It is not known whether the last step was carried out"):
        run("--older-than", 800, "--to", tmp_path)


def unknown(*_what: object, **_how: object) -> None:
    raise OutcomeUnknown


def test_events_that_endpoints_are_not_told_of_keep_orders_and_it_says_so(tmp_path: Path) -> None:
    order = make_old(make_closed_order(), 801)
    order.refresh_from_db()
    Announced.objects.create(created_at=order.created_at, events=[["order.placed", "1", None]])

    until = f"{order.created_at - timedelta(days=1):%Y-%m-%d %H:%M}"
    left = f"orders placed since {until} left: endpoints are still to be told of events\n"
    assert run("--older-than", 800, "--to", tmp_path) == f"orders archived: 0, in files: 0\n{left}"


# Files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_ended_orders()
    archive(tmp_path)
    (file,) = tmp_path.iterdir()
    assert run("--check", tmp_path) == "files checked: 1\n"
    return file


def check(folder: Path) -> str:
    """What the check of a folder says, which ends with 1."""
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 1 files are not as they should be"):
        call_command("archive", "--check", str(folder), stdout=out)
    return out.getvalue()


def test_file_that_is_gone_is_named(file: Path) -> None:
    file.unlink()

    assert check(file.parent) == f"{file.name}: It is not there.\n"


def test_file_of_which_one_bit_changed_is_named(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    assert "its SHA-256 is another one" in check(file.parent)


def test_file_that_is_cut_is_named_though_its_digest_was_written_anew(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    Archive.objects.update(digest=digest_of(file))

    assert "It cannot be read" in check(file.parent)


def test_file_with_an_order_less_is_named_though_its_digest_was_written_anew(file: Path) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(lines[1:])))
    Archive.objects.update(digest=digest_of(file))

    assert "come to another sum" in check(file.parent)


def test_row_that_says_something_else_than_the_file_is_named(file: Path) -> None:
    row = ArchivedOrder.objects.order_by("order_id").first()
    assert row is not None
    ArchivedOrder.objects.filter(pk=row.pk).update(user_id=999)

    assert f"kept something else of these orders: {row.order_id}" in check(file.parent)


# Files that the database does not name


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_file_that_nobody_committed_may_be_deleted_while_its_orders_are_there(tmp_path: Path) -> None:
    order = make_old(make_closed_order(), 801)
    written = write_archive(tmp_path, read_histories(order_ids=[order.order_id]))
    put(tmp_path, "orders-1-2.77.part", b"")

    part = "part of a file, and no archive. It may be deleted; a run that is writing it ends with an error."
    left = (
        "no archive of this database. Its orders are in it, or in other files; it may be deleted before anything is"
        " archived again."
    )
    said = run("--check", tmp_path)
    assert said == f"orders-1-2.77.part: {part}\n{written.name}: {left}\nfiles checked: 0\n"


def test_file_that_nobody_committed_may_be_deleted_while_another_one_has_its_orders(file: Path) -> None:
    content = gzip.decompress(file.read_bytes())
    stray = put(file.parent, f"{file.name[:-9]}-other.jsonl.gz", gzip.compress(content, 1))

    assert run("--check", file.parent) == f"{stray.name}: {Stray.LEFT}\nfiles checked: 1\n"

    file.unlink()  # then it is the only copy
    with pytest.raises(CommandError, match="2 of 2 files are not as they should be"):
        run("--check", file.parent)


def test_files_of_another_database_are_to_be_kept(file: Path) -> None:
    numbers = list(ArchivedOrder.objects.order_by("order_id").values_list("order_id", flat=True))
    for rows in (ArchivedOrder, Archive):
        rows.objects.all().delete()

    told = f"these orders: {', '.join(map(str, numbers))}. Keep it.\n"
    assert check(file.parent) == f"{file.name}: Neither the database nor a right file of it has {told}"


def line(**order: Any) -> bytes:
    """An order as a file has it, but for what is given."""
    told = {"order_id": "5", "user_id": "7", "status": 300, "pay_amount": 1, **order}
    return gzip.compress(json.dumps({"order": told, "lines": []}).encode() + b"\n")


FOREIGN = {
    "spreadsheet": ("orders-2026.xlsx", b"PK"),
    "no order": ("orders-1-2.jsonl.gz", gzip.compress(b'{"order": []}\n')),
    "nothing": ("orders-none.jsonl.gz", gzip.compress(b"")),
    "download": ("orders-download.part", b""),
    "lists in lists": ("orders-deep.gz", gzip.compress(b"[" * 5_000)),
    "no end": ("orders-endless.gz", gzip.compress(bytes(1_000_000))),
    "too many": ("orders-many.gz", line() * 4),
    "a number without end": ("orders-infinity.gz", line(order_id=float("inf"))),
    "a number too large": ("orders-large.gz", line(order_id=str(2**63))),
    "no number": ("orders-list.gz", line(status=[])),
}


@pytest.mark.parametrize(("name", "content"), FOREIGN.values(), ids=FOREIGN)
def test_file_of_somebody_else_is_left_alone(name: str, content: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 10_000)
    monkeypatch.setattr(archives, "MOST_ORDERS", 3)
    put(tmp_path, name, content)
    (tmp_path / "orders-of-may").mkdir()

    told = sorted((name, "orders-of-may"))
    alone = "".join(f"{path}: no archive of ours; left alone.\n" for path in told)
    assert run("--check", tmp_path) == f"{alone}files checked: 0\n"


def test_file_that_unpacks_into_more_than_memory_is_not_unpacked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    put(tmp_path, "orders-bomb.gz", gzip.compress(bytes(100_000_000), 1))

    tracemalloc.start()
    said = run("--check", tmp_path)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert said == "orders-bomb.gz: no archive of ours; left alone.\nfiles checked: 0\n"
    assert peak < 50_000_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [("orders-\x1b[2J", r"'orders-\x1b[2J'"), ("orders-\udcff", r"'orders-\udcff'"), ("orders-五月", "orders-五月")],
    ids=["an order to the terminal", "no text", "Chinese"],
)
def test_name_of_a_file_that_may_be_anybodys_is_shown_and_not_obeyed(name: str, shown: str, tmp_path: Path) -> None:
    put(tmp_path, name, b"")

    assert run("--check", tmp_path) == f"{shown}: no archive of ours; left alone.\nfiles checked: 0\n"


def test_links_that_lead_nowhere_or_into_devices_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "orders-loop").symlink_to("orders-loop")
    (tmp_path / "orders-nowhere").symlink_to("nowhere")
    (tmp_path / "orders-zeros").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "orders-waits")

    said = run("--check", tmp_path)

    assert said.count("no archive of ours; left alone.") == 4
    assert said.endswith("files checked: 0\n")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has a file that root cannot read")
def test_file_that_cannot_be_read_is_named_and_the_others_are_looked_at(file: Path) -> None:
    other = put(file.parent, "orders-zz.gz", b"PK")
    stray = file.parent / "orders-0"
    stray.symlink_to(f"/proc/self/task/{os.getpid()}/mem")
    file.rename(file.parent / "elsewhere")
    file.symlink_to("/proc/self/mem")

    out = io.StringIO()
    with pytest.raises(CommandError, match="2 of 2 files are not as they should be"):
        call_command("archive", "--check", str(file.parent), stdout=out)

    unread = "It cannot be read: [Errno 5] Input/output error"
    assert out.getvalue().splitlines() == [
        f"{file.name}: {unread}",
        f"{stray.name}: {unread}",
        f"{other.name}: no archive of ours; left alone.",
    ]


def test_file_behind_the_link_that_the_database_names_is_not_called_deletable(file: Path) -> None:
    moved = file.rename(file.parent / "orders-2026.jsonl.gz")
    file.symlink_to(moved.name)

    said = run("--check", file.parent)

    assert said == f"{moved.name}: another name of an archive; left alone.\nfiles checked: 1\n"


def test_file_that_is_committed_during_the_check_is_not_called_deletable(file: Path) -> None:
    make_completed_order()
    checking = check_archives(folder=file.parent)
    assert next(checking).name == file.name

    assert archive(file.parent).files == 1

    assert list(checking) == []


def test_database_that_is_away_is_told_in_a_sentence(file: Path) -> None:
    away = Interruption(OperationalError(2003, "Can't connect"), at="FROM shopping_order WHERE .*order_id")
    write_archive(file.parent, read_histories(order_ids=[make_closed_order().order_id]))

    with connection.execute_wrapper(away), pytest.raises(CommandError, match="The shop is busy"):
        run("--check", file.parent)
