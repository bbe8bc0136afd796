"""Statements about sets of rows, on a table of Django's own."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from charites.common.rows import RowsLost, SetStatement, SetUpdate, as_json, for_database, told_by
from charites.common.transactions import outermost
from lab.kit.factories import make_stock

pytestmark = pytest.mark.django_db

INSERT = SetStatement("INSERT INTO auth_group (name) SELECT name FROM {sent}", sent={"name": "text"})
INSERT_SHARED = SetStatement(
    "INSERT INTO auth_group (name) SELECT name FROM {sent} JOIN {shared} ON shared.also = sent.kind_of",
    sent={"name": "text", "kind_of": "number"},
    shared={"number": "number", "also": "number", "kind": "text"},
)
FIND = SetStatement(
    "SELECT sent.n, name FROM {sent} JOIN auth_group USING (name)", sent={"n": "number", "name": "text"}
)


RENAME = SetUpdate("auth_group", "name = new", on="name = old", still="id > 0", sent={"old": "text", "new": "text"})
RENAME_NONE = SetUpdate(
    "auth_group", "name = new", on="name = old", still="id < 0", sent={"old": "text", "new": "text"}
)


def names() -> set[str]:
    return set(Group.objects.values_list("name", flat=True))


def test_insert_and_select_take_any_number_of_rows_in_one_statement(django_assert_num_queries) -> None:
    rows = [[f"name {n}"] for n in range(300)]
    with outermost(), django_assert_num_queries(1):
        INSERT.insert(rows)

    with django_assert_num_queries(1):
        found = FIND.select([(7, "name 7"), (8, "nobody"), (9, "name 299")])
    assert sorted(found) == [(7, "name 7"), (9, "name 299")]


def test_update_changes_those_that_are_as_they_have_to_be_and_says_how_many(django_assert_num_queries) -> None:
    INSERT.insert([[name] for name in ("a", "b", "c'\\\u3000")])

    with django_assert_num_queries(1):
        changed = RENAME.run([("a", "A"), ("c'\\\u3000", '"😀\\'), ("nobody", "N")])

    assert (changed, names()) == (2, {"A", "b", '"😀\\'})
    assert (RENAME_NONE.run([("b", "B")]), names()) == (0, {"A", "b", '"😀\\'})


def test_row_that_finds_nothing_to_share_is_not_lost_silently() -> None:
    with pytest.raises(RowsLost, match="1 of 2"), outermost():
        INSERT_SHARED.insert([("a", 1), ("b", 2)], {1: (1, "!"), 2: (3, "?")})

    assert names() == set()


def test_times_are_sent_in_utc_and_what_databases_would_misread_not_at_all() -> None:
    eight = datetime(2026, 6, 1, 20, tzinfo=timezone(timedelta(hours=8)))
    assert as_json([[eight, datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=UTC)]]) == (
        '[["2026-06-01 12:00:00","2026-06-01 12:00:00.000005"]]'
    )
    for wrong in (Decimal(1), b"bytes", {1, 2}):
        with pytest.raises(TypeError, match="nothing that a set of rows can hold"):
            as_json([[wrong]])


def test_now_is_the_databases_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute(for_database("SELECT {now}", connection.vendor), [])
        (told,) = cursor.fetchone()
    told = told if isinstance(told, datetime) else datetime.fromisoformat(told)
    assert abs(told.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(minutes=5)


def test_update_tells_what_its_number_has_become_and_that_there_was_none() -> None:
    make_stock(1, 5)
    change = "UPDATE shopping_stock SET num = {tell}(num + %s), version = version + 1"
    sql = for_database(f"{change} WHERE goods_id = %s AND num >= %s {{told}}", connection.vendor)

    def take(pieces: int) -> int | None:
        with connection.cursor() as cursor:
            cursor.execute(sql, [-pieces, 1, pieces])
            return told_by(cursor)

    with outermost():
        assert [take(2), take(3), take(1)] == [3, 0, None]
