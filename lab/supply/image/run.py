"""One run from the empty folder to the report."""

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text

from lab.servers import ServerFailed
from lab.supply.image import network, outside
from lab.supply.image.build import ROOT, build
from lab.supply.image.compose import Missing
from lab.supply.image.dockerfile import Unreadable, read_stages
from lab.supply.image.roots import AS_IN_THE_BASE_IMAGE, PATH, StepFailed, call, inside, make_base, megabytes
from lab.supply.image.shop import Shop

console = Console()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Shows a step, and when it is done how long it took."""
    begun = time.monotonic()
    is_done = False
    try:
        with console.status(Text(what, overflow="ellipsis", no_wrap=True)):
            yield
        is_done = True
    finally:
        mark = Text("ok    ", "green") if is_done else Text("FAILED", "red")
        line = Text.assemble(mark, f"{time.monotonic() - begun:7.1f} s  ", what)
        console.print(line, overflow="ellipsis", no_wrap=True)


def run(options: argparse.Namespace) -> int:
    """Returns the exit code."""
    console.print("The base image is stood in for by Debian bookworm with its own Python 3.11: no registry is asked.")
    shop = None
    try:
        base = find_base(options)
        stages = read_stages((ROOT / "Dockerfile").read_text())
        image = build(stages, base, options.inside, timed)
        sizes = f"the base has {megabytes(base)} MB, the image adds {megabytes(image.layer.added)} MB"
        network.leave()
        shop = Shop(image, options.inside / "run", timed)
        shop.run()
    except (StepFailed, Unreadable, Missing, ServerFailed, httpx.HTTPError) as error:
        report(shop)
        console.print(Text(f"charites: {error}", "red"))
        return 1
    report(shop)
    console.print(f"{sizes}.")
    return 0


def find_base(options: argparse.Namespace) -> Path:
    """Returns the root that the stages begin with: one that was kept, else a new one."""
    kept: Path | None = options.base
    if kept and kept.exists():
        return kept
    folder: Path = options.inside / "base"
    with timed("debootstrap, and Python where the base image has it"):
        make_base(folder, [options.mirror] if options.mirror else [])
        with outside.visible(folder) as variables:
            words = [*inside(folder, "/"), "/bin/sh", "-c", AS_IN_THE_BASE_IMAGE]
            call(*words, environment={"PATH": PATH, **variables})
    if kept:
        keep(folder, kept)
    return folder


def keep(folder: Path, where: Path) -> None:
    """Copies a root, so that half of one is never taken for a whole one."""
    draft = where.with_name(f"{where.name}.draft")
    try:
        call("cp", "--archive", "--one-file-system", folder, draft)
        draft.rename(where)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def report(shop: Shop | None) -> None:
    for line in shop.found if shop else []:
        console.print(Text(line))
