"""What a caller may try, and what proves the answer: the files `*.toml` beside this module, a part of docs/security.md
each.

A row names, for each door that has the step, the tests that go through it, and mutants: lines of the program turned
wrong, with which those tests have to fail.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("owasp", "taken_away", "let_in", "told_wrongly")  # in this order on the page
# "grpc" are tests that run on both transports; the others of gRPC are about what one does by itself. "process" is what
# starts, commands and deployments do, where callers have no say.
DOORS = ("rest", "grpc", "grpcio", "asgi", "v1", "admin", "process")
TRANSPORTS = ("grpcio", "asgi")
REQUIRED = ({"rest"}, {"grpc", "grpcio", "asgi"}, {"v1"}, {"admin"})  # one of each has something to say
NOT_APPLICABLE = "not applicable: "
KEYS = {"input", "right", "where", "database", "mutants", *DOORS}


def each(doors: Set[str]) -> set[str]:
    """Doors, with each transport of gRPC by itself."""
    return {door for door in doors if door != "grpc"} | (set(TRANSPORTS) if "grpc" in doors else set())


class Wrong(Exception):
    """A row that proves nothing. The message names it."""


@dataclass(frozen=True)
class Mutant:
    """A line of the program turned wrong: `old` becomes `new` in `file`, and every test of the doors `fails` fails."""

    turned: str
    file: str
    old: str
    new: str
    fails: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The text of the file, turned wrong. Raises Wrong where `old` does not stand in it exactly once."""
        if (times := text.count(self.old)) != 1:
            raise Wrong(f'{self.file}: what "{self.turned}" changes stands there {times} times, not once')
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Row:
    """An input, what is right, where that is decided. `doors`: the tests by door, or why there are none."""

    input: str
    right: str
    where: tuple[str, ...]
    doors: Mapping[str, tuple[str, ...] | str]
    mutants: tuple[Mutant, ...]
    database: str = "sqlite"

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Self:
        """Raises Wrong for a row with unknown keys, a door without a word, or tests that no mutant was tried on."""
        mutants = tuple(Mutant(**{**mutant, "fails": tuple(mutant["fails"])}) for mutant in table.get("mutants", ()))
        doors = {
            door: table[door] if isinstance(table[door], str) else tuple(table[door]) for door in DOORS if door in table
        }
        row = cls(
            table["input"], table["right"], tuple(table["where"]), doors, mutants, table.get("database", "sqlite")
        )
        if unknown := table.keys() - KEYS:
            raise Wrong(f"{row.input}: unknown: {', '.join(sorted(unknown))}")
        row._check()
        return row

    def _check(self) -> None:
        for doors in REQUIRED:
            if not doors & self.doors.keys():
                raise Wrong(f"{self.input}: nothing is said about {' or '.join(sorted(doors))}")
        for door, tests in self.doors.items():
            if isinstance(tests, str) and not tests.startswith(NOT_APPLICABLE):
                raise Wrong(f"{self.input}: {door} is neither a list of tests nor '{NOT_APPLICABLE}...'")
        tested = each({door for door, tests in self.doors.items() if not isinstance(tests, str)})
        tried = each({door for mutant in self.mutants for door in mutant.fails})
        if tested != tried:
            raise Wrong(f"{self.input}: tests and mutants are about different doors: {sorted(tested ^ tried)}")

    def tests(self, door: str) -> Sequence[str]:
        """The tests of a door; those of one transport are also the ones that run on both."""
        names = (door, "grpc") if door in TRANSPORTS else (door,)
        return [test for name in names if not isinstance(tests := self.doors.get(name, ()), str) for test in tests]


@dataclass(frozen=True)
class Part:
    title: str
    rows: tuple[Row, ...]


def read_part(name: str) -> Part:
    """Raises Wrong."""
    table = tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text())
    return Part(table["title"], tuple(map(Row.read, table["rows"])))


def read_parts() -> list[Part]:
    """Raises Wrong."""
    return [read_part(name) for name in PARTS]


def is_there(test: str) -> bool:
    """Whether a test, `folder/file.py::test_name[case]`, is declared in its file."""
    file, _colons, name = test.partition("::")
    path = ROOT / file
    declared = re.compile(
        rf"^\s*(?:async )?def {re.escape(name.partition('[')[0].rpartition('::')[2])}\(", re.MULTILINE
    )
    return path.is_file() and declared.search(path.read_text()) is not None
