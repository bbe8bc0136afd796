"""A provider's file with anything in it is compared, or refused with the line that is wrong; nothing else happens."""

import csv
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from lab.fuzz.messages import break_bytes
from lab.fuzz.notice_fuzzer import TIMES
from lab.fuzz.values import Values
from lab.kit.stripe_api import KEY, SECRET, STRIPE
from lab.kit.trials import Trials
from orders.models import Payment, Refund
from orders.payments.sandbox.statement import COLUMNS
from orders.payments.stripe.statement import OF_PAYMENT, OF_REFUND

pytestmark = pytest.mark.django_db

STRIPE_COLUMNS = ["created_utc", "reporting_category", "gross", "currency", "payment_intent_id", OF_PAYMENT, OF_REFUND]
MOMENT = "2026-06-01T12:00:00Z"
FILES: dict[str, list[list[str]]] = {
    "orders.payments.sandbox.Sandbox": [
        COLUMNS,
        ["capture", "1", "T-1", "5", "CNY", MOMENT],
        ["refund", "2", "T-1", "5", "CNY", MOMENT],
    ],
    STRIPE: [
        STRIPE_COLUMNS,
        ["2026-06-01 12:00:00", "charge", "199.00", "cny", "pi_1", "1", ""],
        ["2026-06-01 12:00:00", "refund", "-1.00", "cny", "pi_1", "1", "2"],
        ["2026-06-01 12:00:00", "dispute", "-1.00", "cny", "pi_1", "1", ""],
    ],
}


def broken(rows: Sequence[Sequence[str]], values: Values) -> bytes:
    """The file with cells that are others, or with bytes that are."""
    random = values.random
    changed = [list(row) for row in [rows[0], *random.choices(rows[1:], k=3)]]
    for _ in range(random.randrange(3)):
        row = random.choice(changed[random.random() < 0.9 :])
        row[random.randrange(len(row))] = random.choice((values.text(), str(values.number()), random.choice(TIMES)))
    text = StringIO()
    csv.writer(text, lineterminator=random.choice(("\n", "\r\n"))).writerows(changed)
    content = text.getvalue().encode("utf-8", "surrogatepass")
    return break_bytes(content, random)[:100_000] if random.random() < 0.3 else content


@pytest.mark.parametrize("provider", FILES)
def test_file_with_anything_in_it_is_compared_or_refused_and_changes_nothing(
    provider: str, tmp_path: Path, settings, trials: Trials
) -> None:
    settings.PAYMENT_PROVIDER, settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = provider, KEY, SECRET
    values, file, ends = Values(trials.random), tmp_path / "file.csv", Counter[int]()
    for _ in range(trials.count(sample=200, full=5_000)):
        file.write_bytes(broken(FILES[provider], values))
        ends[code_of_reconciling(file)] += 1

    assert ends.keys() <= {0, 1, 2}
    assert ends[1]
    assert ends[2]
    assert not Payment.objects.exists()
    assert not Refund.objects.exists()
    name = provider.rpartition(".")[2]
    trials.tell(f"{name}: {ends.total()} files, {ends[2]} refused by a line, {ends[1]} with what is missing here")


def code_of_reconciling(file: Path) -> int:
    """The command's exit code."""
    try:
        call_command("reconcile", str(file), "--book", stdout=StringIO())
    except CommandError as error:
        return error.returncode
    return 0
