"""What `make image` reads before it carries anything out: Dockerfile, .dockerignore, compose.yaml, pip's settings."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.supply.dockerignore import ignored
from lab.supply.image import compose, dockerfile
from lab.supply.image.dockerfile import Bind, Stage, Step, Unreadable
from lab.supply.image.outside import pip_variables
from lab.supply.image.shop import PROCESSES, is_loud

ROOT = Path(__file__).resolve().parents[2]
STAGES = dockerfile.read_stages((ROOT / "Dockerfile").read_text())
SERVICES = compose.services_of((ROOT / "compose.yaml").read_text())
READERS: dict[str, Any] = {
    "RUN": dockerfile.binds_of,
    "COPY": dockerfile.paths_of,
    "ENV": dockerfile.variables_of,
    "HEALTHCHECK": dockerfile.health_command_of,
}


# The Dockerfile


def test_ours_has_two_stages_and_every_step_of_them_is_read() -> None:
    assert [(stage.base, stage.name) for stage in STAGES] == [
        ("python:3.11-slim-bookworm", "build"),
        ("python:3.11-slim-bookworm", ""),
    ]
    read = [READERS[step.verb](step) for stage in STAGES for step in stage.steps if step.verb in READERS]
    assert len(read) == 9
    assert (
        [Bind("build", "/wheels", "/wheels")],
        "pip install --no-cache-dir --no-index --no-deps /wheels/*.whl",
    ) in read


def test_nothing_of_ours_is_lost_between_the_lines() -> None:
    text = (ROOT / "Dockerfile").read_text()
    words = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").split()

    read = [word for stage in STAGES for step in stage.steps for word in str(step).split()]
    assert [word for word in words if word not in ("FROM", "AS", "build", STAGES[0].base)] == read


def test_a_comment_between_the_lines_of_a_step_ends_nothing() -> None:
    text = "FROM a:1 as first\n# why\nRUN one \\\n  # and\n\n    && two\nFROM b\nCMD serve --all\n"

    assert dockerfile.read_stages(text) == [
        Stage("a:1", "first", (Step("RUN", "one && two"),)),
        Stage("b", "", (Step("CMD", "serve --all"),)),
    ]


@pytest.mark.parametrize("text", ["RUN before", "FROM a\nADD b c", "FROM a\nARG b", "FROM --platform=x a", "FROM a AS"])
def test_what_cannot_be_carried_out_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        dockerfile.read_stages(text)


@pytest.mark.parametrize(
    "step",
    [
        Step("RUN", "--mount=type=cache,target=/x make"),
        Step("RUN", "--mount=type=bind,target=/x make"),
        Step("RUN", "--mount=type=cache,from=a,source=/b,target=/x make"),
        Step("COPY", "--from=build a b"),
        Step("COPY", "alone"),
        Step("ENV", "PATH=$PATH:/x"),
        Step("ENV", "NAME value"),
        Step("HEALTHCHECK", "NONE"),
    ],
    ids=str,
)
def test_an_option_that_is_not_known_is_refused(step: Step) -> None:
    with pytest.raises(Unreadable):
        READERS[step.verb](step)


def test_steps_are_read_as_docker_reads_them() -> None:
    assert dockerfile.variables_of(Step("ENV", 'A=1 B="" C="two words"')) == {"A": "1", "B": "", "C": "two words"}
    assert dockerfile.paths_of(Step("COPY", "a b ./")) == (["a", "b"], "./")
    assert dockerfile.command_of('["a", "b c"]') == ["a", "b c"]
    assert dockerfile.command_of("a b") == ["/bin/sh", "-c", "a b"]
    assert dockerfile.health_command_of(Step("HEALTHCHECK", '--interval=1s --timeout=2s CMD ["a"]')) == ["a"]


# .dockerignore


def test_what_is_ignored_is_not_copied(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ("lab/x.py", "shop/tests/x.py", "shop/lab/x.py", "shop/x.py", "shop/read.md", "read.md", ".env"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).touch()
    (here / ".dockerignore").write_text("# Words.\n\n.dockerignore\n.env\nlab\n*.md\n**/tests\n")

    shutil.copytree(here, there, ignore=ignored(here))

    kept = sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file())
    assert kept == ["shop/lab/x.py", "shop/read.md", "shop/x.py"]


# compose.yaml


def test_variables_are_filled_in_as_compose_does() -> None:
    values = {"A": "1", "EMPTY": ""}

    assert compose.filled("${A} ${A:-2} ${B:-2} ${EMPTY:-3} ${B}. $$B $${B:-4}", values) == "1 1 2 3 . $B ${B:-4}"
    with pytest.raises(compose.Missing, match="B: 50 characters"):
        compose.filled("${B:?50 characters}", values)


def test_a_setting_without_a_value_is_passed_on_only_where_there_is_one() -> None:
    service = {"environment": {"FIXED": "x", "PORT": 1, "GIVEN": None, "ABSENT": None}}

    assert compose.settings_of(service, {"GIVEN": "y", "OTHER": "z"}) == {"FIXED": "x", "PORT": "1", "GIVEN": "y"}


def test_each_process_of_ours_has_a_command_bounds_and_a_place_to_write() -> None:
    words = {name: compose.words_of(SERVICES[name], {}) for name in PROCESSES}

    assert {tuple(command[:2]) for command in words.values()} == {("sh", "-c")}
    assert {len(command) for command in words.values()} == {3}
    assert '--port "$HTTP_PORT" --workers "${WEB_PROCESSES:-2}"' in words["web"][2]
    assert [compose.sizes_of(SERVICES[name]) for name in PROCESSES] == [{"/tmp": "64m"}] * len(PROCESSES)
    assert [compose.bytes_of(SERVICES[name]["mem_limit"]) for name in ("web", "redis")] == [1 << 30, 512 << 20]


def test_health_is_asked_without_a_shell_where_compose_says_so() -> None:
    assert compose.health_words_of(SERVICES["web"]) is None
    assert (compose.health_words_of(SERVICES["grpc"]) or [])[:2] == ["python", "-c"]
    assert compose.health_words_of(SERVICES["redis"]) == ["/bin/sh", "-c", "redis-cli ping | grep -q PONG"]


# The rest


def test_settings_of_pip_become_variables_and_the_environment_comes_first() -> None:
    said = ":env:.timeout='5'\nglobal.cert='/a b.pem'\nglobal.timeout='180'\ninstall.pre='yes'\n"

    assert pip_variables(said) == {"PIP_CERT": "/a b.pem", "PIP_TIMEOUT": "5"}


def test_only_warnings_errors_and_tracebacks_of_a_log_are_told() -> None:
    lines = [
        '{"level": "info"}',
        " -------------- celery@host",
        "[WARNING] slow",
        '{"level": "error"}',
        "Traceback (most",
    ]

    assert [is_loud(line) for line in lines] == [False, False, True, True, True]
