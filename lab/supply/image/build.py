"""Carries out the steps of a Dockerfile, each stage as a layer on the stand-in of its base image."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lab.supply.dockerignore import ignored
from lab.supply.image import dockerfile, outside
from lab.supply.image.dockerfile import Stage, Step
from lab.supply.image.roots import PATH, Layer, call, inside, mounted

ROOT = Path(__file__).resolve().parents[3]

Timed = Callable[[str], AbstractContextManager[None]]


@dataclass(slots=True)
class Image:
    """What a stage has become: its files, and how a process in it starts."""

    layer: Layer
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def build(stages: list[Stage], base: Path, folder: Path, timed: Timed) -> Image:
    """Builds all stages and returns what the last one has become. Raises StepFailed, Unreadable."""
    made: dict[str, Image] = {}
    for number, stage in enumerate(stages):
        with timed(f"FROM {stage.base}, with Debian in its place"):
            image = Image(Layer(base, folder / f"stage-{number}"))
        with image.layer.writable() as root:
            for step in stage.steps:
                with timed(str(step)):
                    carry_out(step, image, root, made)
        made[stage.name] = image
    return image


def carry_out(step: Step, image: Image, root: Path, made: dict[str, Image]) -> None:
    match step.verb:
        case "RUN":
            run(step, image, root, made)
        case "COPY":
            copy(step, image, root)
        case "ENV":
            image.environment |= dockerfile.variables_of(step)
        case "WORKDIR":
            image.folder = step.words
            (root / step.words.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = step.words
        case "HEALTHCHECK":
            image.health = dockerfile.health_command_of(step)
        case "CMD":
            image.command = dockerfile.command_of(step.words)


def run(step: Step, image: Image, root: Path, made: dict[str, Image]) -> None:
    binds, command = dockerfile.binds_of(step)
    with ExitStack() as ends:
        for bind in binds:
            source = made[bind.stage].layer.added / bind.source.lstrip("/")
            ends.enter_context(mounted("--bind", "-o", "ro", source, at=root / bind.target.lstrip("/")))
        variables = ends.enter_context(outside.visible(root))
        environment = {"HOME": "/root", **image.environment, **variables}
        words = [*inside(root, image.folder, image.user), *dockerfile.command_of(command)]
        call(*words, environment=environment)


def copy(step: Step, image: Image, root: Path) -> None:
    """Copies out of the checkout what .dockerignore leaves; a folder's content, as Docker does. All of it is root's."""
    sources, target = dockerfile.paths_of(step)
    into = root / Path(image.folder, target).as_posix().lstrip("/")
    leave_out = ignored(ROOT)
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, into, ignore=leave_out, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(path, into / path.name if target.endswith("/") else into)
    call("chown", "--recursive", "root:root", into)
