import pytest

from lab.kit.sql_guard import check, find_fault

GOOD = [
    ("SELECT num FROM shopping_stock WHERE goods_id = %s FOR UPDATE", [1]),
    ("UPDATE shopping_stock_record SET status = %s WHERE id = %s", [2, 1]),
    ("UPDATE shopping_goods SET version = %s", [1]),
    ("INSERT INTO shopping_stock (goods_id, num) VALUES (%s, %s)", [1, 5]),
    ("INSERT INTO `shopping_stock` (`goods_id`) VALUES (%s) ON DUPLICATE KEY UPDATE `id` = `id`", [1]),
    # As Django writes an insert that leaves an existing row alone, for MariaDB and for SQLite.
    (
        "INSERT INTO `shopping_stock` (`goods_id`) VALUES (%s) ON DUPLICATE KEY UPDATE `goods_id` = VALUE(`goods_id`)",
        [1],
    ),
    (
        'INSERT INTO "shopping_stock" ("goods_id") VALUES (%s) '
        'ON CONFLICT("goods_id") DO UPDATE SET "goods_id" = EXCLUDED."goods_id" RETURNING "shopping_stock"."id"',
        [1],
    ),
    (
        "UPDATE shopping_stock SET num = num - %s, version = version + 1 WHERE goods_id = %s AND num >= %s",
        [2, 1, 2],
    ),
    ("update shopping_stock set num=num-2,version=version+1 where goods_id=1 and num>=2", None),
    # As Django writes it for SQLite: the sign is in the value.
    (
        'UPDATE "shopping_stock" SET "num" = ("shopping_stock"."num" + %s), '
        '"lock" = ("shopping_stock"."lock" + %s), "version" = ("shopping_stock"."version" + %s), "updated_at" = %s '
        'WHERE ("shopping_stock"."num" >= %s AND "shopping_stock"."goods_id" = %s)',
        (-2, 2, 1, "2026-01-01", 2, 1),
    ),
    # and for MySQL.
    (
        "UPDATE `shopping_stock` SET `num` = (`shopping_stock`.`num` + %s), "
        "`version` = (`shopping_stock`.`version` + %s) WHERE `shopping_stock`.`goods_id` = %s",
        (5, 1, 1),
    ),
    (
        "UPDATE shopping_stock SET num = %s, version = version + 1 WHERE goods_id = %s AND version = %s",
        [98, 1, 7],
    ),
    (
        "UPDATE shopping_stock SET num = num + CASE goods_id WHEN %s THEN %s END, version = version + 1 "
        "WHERE goods_id IN (%s) AND num + CASE goods_id WHEN %s THEN %s END >= 0",
        [1, -2, 1, 1, -2],
    ),
    (
        "UPDATE shopping_stock s JOIN (SELECT 1 AS goods_id, -2 AS delta) d ON d.goods_id = s.goods_id "
        "SET s.num = s.num + d.delta, s.version = s.version + 1 WHERE s.num + d.delta >= 0",
        None,
    ),
    (
        "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (of_goods BIGINT PATH '$[0]', more BIGINT PATH '$[1]')) AS sent "
        "STRAIGHT_JOIN shopping_stock FORCE INDEX (goods_id) ON goods_id = of_goods "
        "SET num = num + more, version = version + 1 WHERE num >= -more",
        ["[[1,-2]]"],
    ),
    (
        "UPDATE shopping_stock SET num = num - %(number)s, version = version + 1 "
        "WHERE goods_id = %(goods_id)s AND num >= %(number)s",
        {"number": 2, "goods_id": 1},
    ),
]

BAD = [
    (
        "UPDATE shopping_stock SET num = num - %s WHERE goods_id = %s AND num >= %s",
        [2, 1, 2],
        "does not add 1 to version",
    ),
    (
        "UPDATE shopping_stock SET num = num - 1, version = version + 2 WHERE num >= 1",
        None,
        "does not add 1 to version",
    ),
    ("UPDATE shopping_stock SET updated_at = %s WHERE id = %s", ["now", 1], "does not add 1 to version"),
    (
        "UPDATE `shopping_stock` SET `num` = %s, `version` = %s WHERE `id` = %s",
        [98, 8, 1],
        "does not add 1 to version",
    ),
    (
        "UPDATE shopping_stock SET num = %s, version = version + 1 WHERE goods_id = %s",
        [98, 1],
        "sets num to a computed value and does not carry the version it read",
    ),
    (
        "UPDATE shopping_stock SET num = num - %s, version = version + 1 WHERE goods_id = %s",
        [2, 1],
        "may lower num without a condition that there is enough",
    ),
    (
        'UPDATE "shopping_stock" SET "lock" = ("shopping_stock"."lock" + %s), '
        '"version" = ("shopping_stock"."version" + %s) WHERE ("shopping_stock"."num" >= %s)',
        [-2, 1, 2],
        "may lower lock without a condition that there is enough",
    ),
    (
        "UPDATE shopping_stock SET num = num - %s, version = version + 1 WHERE num >= %s",
        [2, 1],
        "lowers num by 2 and only asks for 1",
    ),
    (
        "UPDATE shopping_stock SET num = num + CASE goods_id WHEN 1 THEN -2 END, version = version + 1 "
        "WHERE goods_id = 1",
        None,
        "may lower num without a condition that there is enough",
    ),
    (
        "UPDATE shopping_stock SET num = num - 2, version = version + 1 WHERE num <= 2",
        None,
        "may lower num without a condition that there is enough",
    ),
    (
        "UPDATE shopping_stock s JOIN (SELECT 1 AS g WHERE 1 >= 0) d SET s.num = s.num - 1, s.version = s.version + 1",
        None,
        "may lower num without a condition that there is enough",
    ),
    (
        "UPDATE shopping_stock SET num = %s, version = version + 1 WHERE version = version",
        [5],
        "sets num to a computed value and does not carry the version it read",
    ),
    (
        "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (of_goods BIGINT PATH '$[0]', more BIGINT PATH '$[1]')) AS sent "
        "STRAIGHT_JOIN shopping_stock ON goods_id = of_goods SET num = num + more, version = version + 1 "
        "WHERE `lock` >= -more",
        ["[[1,-2]]"],
        "may lower num without a condition that there is enough",
    ),
    ("REPLACE INTO shopping_stock (goods_id, num) VALUES (1, 5)", None, "replaces a row"),
    (
        "INSERT INTO `shopping_stock` (`goods_id`, `num`) VALUES (1, 5) ON DUPLICATE KEY UPDATE `num` = VALUES(`num`)",
        None,
        "changes an existing row in an INSERT",
    ),
    (
        "INSERT INTO shopping_stock (goods_id, num) VALUES (1, 5) ON CONFLICT (goods_id) DO UPDATE SET num = 5",
        None,
        "changes an existing row in an INSERT",
    ),
]


@pytest.mark.parametrize(("sql", "params"), GOOD)
def test_find_fault_in_a_safe_statement_finds_none(sql, params):
    assert find_fault(sql, params) is None


@pytest.mark.parametrize(("sql", "params", "fault"), BAD)
def test_find_fault_in_an_unsafe_statement_names_it(sql, params, fault):
    assert find_fault(sql, params) == fault


def test_check_of_many_rows_looks_at_each():
    sql = "UPDATE shopping_stock SET num = num + %s, version = version + 1 WHERE goods_id = %s"

    complaint = check(sql, [(2, 1), (-2, 1)], many=True)

    assert complaint == f"may lower num without a condition that there is enough: {sql} with (-2, 1)"
    assert check(sql, [(2, 1), (3, 1)], many=True) is None
