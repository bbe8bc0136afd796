"""The skeleton of a payment provider, as the page has it, is a provider."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from orders.errors import BadSignature
from orders.payments.port import faults_of
from orders.payments.statements import StatementUnreadable, read_statement

PAGE = Path(__file__).resolve().parents[3] / "docs" / "payment-providers.md"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def skeleton(settings: Any) -> Any:
    """The class of the page."""
    settings.SOMEBANK_API_KEY = "key"
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names["SomeBank"]


def test_skeleton_is_a_provider(skeleton: Any) -> None:
    assert faults_of(skeleton()) == []


def test_skeleton_does_what_the_page_says_of_it(skeleton: Any, settings: Any, tmp_path: Path) -> None:
    bank, file = skeleton(), tmp_path / "statement"
    with pytest.raises(BadSignature):
        bank.read_notice(headers={}, body=b"", now=NOW)
    assert bank.read_notice(headers={"somebank-signature": "s"}, body=b"", now=NOW).amount == 9900
    file.write_text("7,T-1,9900,2026-06-01T12:00:00+00:00\n8,T-2,none,2026-06-01T12:00:00+00:00\n")

    with pytest.raises(StatementUnreadable, match=r"^Line 2: amount cannot be 'none'\.$"):
        list(read_statement(file, bank))

    settings.SOMEBANK_API_KEY = ""
    with pytest.raises(ImproperlyConfigured):
        skeleton()
