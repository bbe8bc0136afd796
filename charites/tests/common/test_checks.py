"""The check that the database reads sets of rows as they were sent."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from charites.common import checks
from charites.common.rows import SetStatement

pytestmark = pytest.mark.django_db


def test_database_that_reads_what_was_sent_passes() -> None:
    assert checks.check_sets_of_rows(databases=["default"]) == []
    call_command("check", databases=["default"])


def test_database_that_leaves_backslashes_in_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    escaped = SetStatement("SELECT REPLACE(words, '\"', '\\\\\"') FROM {sent}", sent={"words": "text"})
    monkeypatch.setattr(checks, "ECHO", escaped)

    with pytest.raises(SystemCheckError, match="(?s)charites.E001.*MDEV-27412"):
        call_command("check", databases=["default"])
