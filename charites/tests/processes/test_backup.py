"""The commands of docs/backup.md: a backup of a shop that sells is restored, and the audit finds nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from lab.kit.factories import make_goods, make_order, make_paid_order
from lab.kit.interleaving import Background
from lab.kit.processes.shop import ROOT
from lab.site.blocks import blocks
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RESTORED = "restored"
PLACED = 30


@pytest.fixture
def folder(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Path]:
    """Where an operator works: with the login of the database in `~/.my.cnf`, beside the shop's files."""
    url = urlsplit(process_environment["DATABASE_URL"])
    login = f"[client]\nhost={url.hostname}\nport={url.port}\nuser={url.username}\nprotocol=tcp\n"
    (tmp_path / ".my.cnf").write_text(login)
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    yield tmp_path
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {RESTORED}")


def run(commands: str, folder: Path, environment: dict[str, str]) -> str:
    address, _, name = environment["DATABASE_URL"].rpartition("/")
    commands = commands.replace("mysql://charites:secret@127.0.0.1:3306", address).replace(" charites |", f" {name} |")
    command = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(command, cwd=folder, env=environment | {"HOME": str(folder)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def count(*, after: int = 0) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {RESTORED}.shopping_order WHERE order_id > %s", [after])
        (number,) = cursor.fetchone()
    return int(number)


def test_backup_of_a_shop_that_sells_is_restored_and_its_sums_are_right(
    folder: Path, process_environment: dict[str, str]
) -> None:
    take, restore = blocks(ROOT / "docs" / "backup.md")
    environment = {**os.environ, **process_environment}
    make_goods(1, stock=1_000)
    make_paid_order({1: 3}, now=timezone.now())

    def sell() -> None:
        for _ in range(PLACED):
            make_order({1: 1}, now=timezone.now())

    with Background(sell):
        run(take.commands, folder, environment)
    last = make_order({1: 1}, now=timezone.now())
    run(restore.commands, folder, environment)  # the audit ends with 1 when a sum is wrong

    assert 1 <= count() <= Order.objects.count() - 1
    assert count(after=last.order_id - 1) == 0
