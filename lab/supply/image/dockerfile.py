"""Reads a Dockerfile: its stages, and in each the steps. Only what ours uses; anything else is refused by name."""

import json
import re
import shlex
from dataclasses import dataclass

VERBS = {"RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
MOUNT = re.compile(r"--mount=(\S+)\s+")
OPTION = re.compile(r"--[\w-]+=\S+\s+")
FROM = re.compile(r"(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)


class Unreadable(Exception):
    """The Dockerfile says something that this program does not know how to carry out."""


@dataclass(frozen=True, slots=True)
class Step:
    """`words`: everything behind the verb, on one line, without comments."""

    verb: str
    words: str

    def __str__(self) -> str:
        return f"{self.verb} {self.words}"


@dataclass(frozen=True, slots=True)
class Stage:
    base: str
    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder of another stage that a RUN sees, and cannot write."""

    stage: str
    source: str
    target: str


def lines_of(text: str) -> list[str]:
    """The instructions, each on one line. A comment may stand between the lines of one, and ends nothing."""
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(kept).replace("\\\n", " ")
    return [re.sub(r"\s+", " ", line).strip() for line in joined.splitlines()]


def read_stages(text: str) -> list[Stage]:
    """Raises Unreadable."""
    stages: list[Stage] = []
    for line in lines_of(text):
        verb, _, words = line.partition(" ")
        if verb == "FROM":
            stages.append(first_of_stage(words))
        elif verb not in VERBS or not stages:
            raise Unreadable(f"{line.split(' ')[0]} is not among {', '.join(sorted(VERBS))}, or stands before FROM.")
        else:
            last = stages[-1]
            stages[-1] = Stage(last.base, last.name, (*last.steps, Step(verb, words)))
    return stages


def first_of_stage(words: str) -> Stage:
    found = FROM.fullmatch(words)
    if found is None:
        raise Unreadable(f"FROM {words}")
    return Stage(found["base"], found["name"] or "", ())


def command_of(words: str) -> list[str]:
    """What is started: the words of a JSON list, else a shell."""
    return [str(word) for word in json.loads(words)] if words.startswith("[") else ["/bin/sh", "-c", words]


def binds_of(step: Step) -> tuple[list[Bind], str]:
    """The folders that a RUN has mounted, and the command without them. Raises Unreadable."""
    binds = []
    for mount in MOUNT.findall(step.words):
        options = dict(part.partition("=")[::2] for part in mount.split(","))
        if options.keys() != {"type", "from", "source", "target"} or options["type"] != "bind":
            raise Unreadable(f"--mount={mount}")
        binds.append(Bind(options["from"], options["source"], options["target"]))
    return binds, MOUNT.sub("", step.words)


def variables_of(step: Step) -> dict[str, str]:
    """What an ENV sets. Raises Unreadable where a value stands for another one."""
    pairs = [word.partition("=") for word in shlex.split(step.words)]
    if "$" in step.words or any(not equals for _name, equals, _value in pairs):
        raise Unreadable(str(step))
    return {name: value for name, _equals, value in pairs}


def paths_of(step: Step) -> tuple[list[str], str]:
    """What a COPY takes, and where it puts it. Raises Unreadable for options."""
    *sources, target = step.words.split(" ")
    if step.words.startswith("-") or not sources:
        raise Unreadable(str(step))
    return sources, target


def health_command_of(step: Step) -> list[str]:
    """The command of a HEALTHCHECK. Raises Unreadable."""
    verb, _, words = OPTION.sub("", step.words).partition(" ")
    if verb != "CMD":
        raise Unreadable(str(step))
    return command_of(words)
