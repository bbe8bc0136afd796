"""The rows of docs/security.md name what is there, and the runner of mutants tells a test that fails from others."""

import pytest

from lab.security import __main__ as runner
from lab.security.rows import ROOT, Mutant, Row, Wrong, is_there, read_parts

pytestmark = pytest.mark.once

ROWS = [row for part in read_parts() for row in part.rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.input)
def test_row_names_tests_files_and_lines_that_are_there(row: Row) -> None:
    for mutant in row.mutants:
        assert mutant.applied((ROOT / mutant.file).read_text())
    assert [file for file in row.where if not (ROOT / file).exists()] == []
    assert [test for door in row.doors for test in row.tests(door) if not is_there(test)] == []


def test_row_whose_tests_no_mutant_was_tried_on_is_refused() -> None:
    table = {"input": "a", "right": "b", "where": [], "rest": ["lab/tests/test_security.py::test_a"]}
    doors = dict.fromkeys(("grpc", "v1", "admin"), "not applicable: there is none")

    with pytest.raises(Wrong, match="different doors: \\['rest'\\]"):
        Row.read(table | doors)
    with pytest.raises(Wrong, match="nothing is said about v1"):
        Row.read(table | {"grpc": "not applicable: there is none"})


def test_mutant_of_a_line_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(Wrong, match="stands there 2 times"):
        Mutant("all", "a.py", "x", "y", ("rest",)).applied("x x")


@pytest.mark.slow
def test_runner_names_the_tests_that_stay_green(tmp_path) -> None:
    (tmp_path / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    (tmp_path / "test_sums.py").write_text(
        "import sums\n\ndef test_sum():\n    assert sums.add(1, 2) == 3\n\ndef test_nothing():\n    sums.add(1, 2)\n"
    )
    doors = {"rest": ("test_sums.py::test_sum", "test_sums.py::test_nothing")}
    mutant = Mutant("minus", "sums.py", "a + b", "a - b", ("rest",))

    alive = list(runner.survivors(tmp_path, Row("a", "b", (), doors, (mutant,)), mutant))

    assert alive == ["test_sums.py::test_nothing (sqlite, grpcio)"]
    assert (tmp_path / "sums.py").read_text().endswith("a + b\n")
