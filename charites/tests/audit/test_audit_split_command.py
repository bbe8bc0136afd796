"""The command that audits the split form."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from charites.audit import AuditInTransaction
from charites.tests.audit.split_shop import Split

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


def audit(*arguments: str) -> str:
    output = StringIO()
    call_command("audit", *arguments, stdout=output)
    return output.getvalue()


def test_command_names_the_database_of_each_finding(split: Split, tmp_path: Path) -> None:
    split.in_stock("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")
    output = StringIO()

    with pytest.raises(CommandError, match=r"^1 of \d+ checks failed; findings: 1.$"):
        call_command("audit", "--with", f"stock={split.url}", "--json", str(tmp_path / "found"), stdout=output)

    line = next(line for line in output.getvalue().splitlines() if "I1-first-adjustment" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert (cells[:2], cells[3:]) == (["stock", "I1-first-adjustment"], ["1", "2"])
    checks = json.loads((tmp_path / "found").read_text())["checks"]
    assert [(check["database"], check["ids"]) for check in checks if check["total"]] == [("stock", ["2"])]


def test_command_with_all_three_databases_passes(split: Split) -> None:
    output = audit("--with", f"stock={split.url}", "--with", f"goods={split.url}")

    assert "not compared" not in output
    assert {line.split("│")[1].strip() for line in output.splitlines() if line.startswith("│")} == {
        "orders",
        "stock",
        "goods",
        "orders + stock",
    }


def test_command_without_the_stock_database_says_what_is_left_out(split: Split) -> None:
    output = audit()

    assert "Orders and stock were not compared, for that add --with stock=<its DATABASE_URL>." in output
    assert "I3-line-without-order" in output
    assert "I1-adjustments" not in output
    assert "I4-status" not in output


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("stock=sqlite:////nowhere/at/all.sqlite3", "The database of stock, /nowhere/at/all.sqlite3, is not there."),
        ("stock=walrus://secret@host/x", "The address of the database of stock is not one that Django knows."),
        ("orders={url}", "The database of orders is named twice; APPS is orders."),
        ("messages=x", "must be SERVICE=DATABASE_URL, with goods, stock, orders for the service"),
        ("stock", "must be SERVICE=DATABASE_URL, with goods, stock, orders for the service"),
    ],
)
def test_command_with_a_wrong_database_says_so(split: Split, argument: str, sentence: str) -> None:
    with pytest.raises(CommandError) as refusal:
        audit("--with", argument.format(url=split.url))

    assert str(refusal.value).endswith(sentence)


def test_command_with_a_database_of_another_service_says_so(split: Split) -> None:
    split.in_stock("DROP TABLE shopping_goods")

    with pytest.raises(CommandError, match="^The database of goods has no table shopping_goods: is it another"):
        audit("--with", f"goods={split.url}")


def test_command_with_older_tables_of_another_service_says_which_migrations_they_lack(split: Split) -> None:
    split.in_stock("DELETE FROM django_migrations WHERE app = 'stock' AND name = '0004_record_owner'")

    with pytest.raises(CommandError) as refusal:
        audit("--with", f"stock={split.url}")

    assert str(refusal.value).startswith(
        "The database of stock lacks migrations of this code: stock.0004_record_owner. Nothing was audited: "
    )
    assert refusal.value.returncode == 2


def test_audit_of_two_databases_inside_a_transaction_is_refused(split: Split) -> None:
    with transaction.atomic(), pytest.raises(AuditInTransaction):
        split.findings()
