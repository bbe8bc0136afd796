"""Watches the test run for statements of the shop that write outside of any transaction.

Such a statement commits by itself: nobody retries it, and nobody knows how it ended when its reply is lost. Tests and
instruments may; the shop may not, but for the strategy that is raced to show what comes of it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.kit.sql_guard import complaints

ROOT = Path(__file__).resolve().parents[2]
SHOP = ("charites", "goods", "stock", "orders", "messaging", "live")
ON_PURPOSE = "stock/strategies/naive.py"
WRITE = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b.*?[`\"]?(shopping_|messaging_|sandbox_|charites_)\w+", re.S | re.I
)


def project_files() -> Iterator[tuple[str, int]]:
    """Yields (file, line) of every frame of ours, innermost first."""
    frame = sys._getframe(1)
    while frame:
        path = frame.f_code.co_filename
        if path.startswith(str(ROOT)) and ".venv" not in path and path != __file__:
            yield str(Path(path).relative_to(ROOT)), frame.f_lineno
        frame = frame.f_back


def author() -> str | None:
    """Where the shop wrote the statement that runs now; None when a test or an instrument did."""
    files = list(project_files())
    inner = next(((file, line) for file, line in files if file != "lab/kit/sql_guard.py"), None)
    if inner is None or any(file == ON_PURPOSE for file, _ in files):
        return None
    file, line = inner
    is_shop = file.split("/")[0] in SHOP and "tests" not in file.split("/")
    return f"{file}:{line}" if is_shop else None


def is_inside_ours(connection: Any) -> bool:
    """Whether somebody has begun a transaction: not a test case around its test, nor Django around one statement, as
    `bulk_create` does."""
    return any(block.savepoint and not block._from_testcase for block in connection.atomic_blocks)


def watch(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A wrapper for `connection.execute_wrappers`: notes what is wrong, and lets the statement through."""
    if not is_inside_ours(context["connection"]) and WRITE.match(sql) and (place := author()):
        complaints.append(f"{place} writes outside of any transaction: {sql}")
    return execute(sql, params, many, context)


def watch_connection(connection: Any, **_: Any) -> None:
    """Receives `connection_created`, which also comes when a connection is opened again."""
    if watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch)
