"""What `make run` installs is enough to start it: a checkout that has run the tests has more, and would not notice."""

import subprocess
import sys

import pytest

from lab.kit.processes.shop import ROOT

OF_TESTS_ALONE = ("MySQLdb", "pytest", "selenium")


@pytest.mark.parametrize("program", ["lab.run.whole", "lab.run.split", "lab.race.__main__"])
def test_program_is_read_without_what_only_tests_install(program: str) -> None:
    missing = "".join(f"sys.modules[{name!r}] = None; " for name in OF_TESTS_ALONE)

    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {missing}import {program}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
