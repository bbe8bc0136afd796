"""`python -m lab.site.commands`: runs the commands of the documentation and compares what they print with the pages.

With `--note` it notes in docs/ran.json when that was, which the site says at the end of each page.

A block of `sh` is run, one page after the other, in one shell a page, by a demo shop of its own; its addresses stand
for those of `make run`. What it prints is what the page says: numbers may be others, `…` is anything. Where a comment
says why it is not run, it is not: lab/site/blocks.py.
"""

import argparse
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
from rich.console import Console
from rich.progress import track

from charites.version import VERSION
from lab.checkout import copy_checkout
from lab.kit.demo_shop import demo_shop
from lab.kit.processes.shop import START_SECONDS, Shop
from lab.links import ROOT, pages
from lab.site.blocks import blocks
from lab.site.sources import RAN, is_chinese

SECONDS = 300  # for the commands of a page: a bound for busy machines
END = "--- end of block ---"
UNBROKEN = re.compile(r"(\s+|\d+|…)")
LOOSE = {"…": ".*?"}


class Difference(NamedTuple):
    page: str
    commands: str
    expected: str
    printed: str

    def __str__(self) -> str:
        return f"{self.page}:\n{self.commands}\nprints\n{self.printed}\nand not\n{self.expected}"


def english() -> dict[str, Path]:
    """Returns the pages whose commands are run, by their path from the top. Chinese ones have the same blocks."""
    return {
        str(page.relative_to(ROOT)): page
        for page in pages()
        if not is_chinese(page) and any(not block.why for block in blocks(page))
    }


def digest(page: Path) -> str:
    """Returns what changes when a page's commands, or what they print, do."""
    return hashlib.sha256(repr([block for block in blocks(page) if not block.why]).encode()).hexdigest()[:16]


def pattern(printed: str) -> re.Pattern[str]:
    """Returns what an output has to contain: the text, with any numbers and any space."""

    def loose(part: str) -> str:
        if part.isspace():
            return r"\s*"
        return r"\d+" if part.isdigit() else LOOSE.get(part, re.escape(part))

    return re.compile("".join(loose(part) for part in UNBROKEN.split(printed.strip())), re.DOTALL)


@contextmanager
def work_folder(root: Path = ROOT) -> Iterator[Path]:
    """A checkout as its user sees it: a copy, as commands may write over what is there, which is gone afterwards. Its
    .venv alone is that of the checkout."""
    with tempfile.TemporaryDirectory(prefix="charites-docs-") as name:
        folder = Path(name)
        copy_checkout(folder, root)
        (folder / ".venv").symlink_to(root / ".venv")
        yield folder


def run_page(name: str, page: Path, shop: Shop) -> Iterator[Difference]:
    """Runs the commands of a page and yields what is not as the page says; a command that fails is, too."""
    run = [block for block in blocks(page) if not block.why]
    script = "".join(f"{block.commands}\necho '{END}'\n" for block in run)
    for there, here in (("127.0.0.1:8000", f"127.0.0.1:{shop.http_port}"), ("127.0.0.1:8081", shop.grpc_address)):
        script = script.replace(there, here)
    with work_folder() as folder:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{script}"],
            cwd=folder,
            env=os.environ | shop.environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
        )
    outputs = done.stdout.split(f"{END}\n")
    for block, output in zip(run, outputs, strict=False):
        if not pattern(block.printed).search(output.replace(str(shop.http_port), "8000")):
            yield Difference(name, block.commands, block.printed, output)
    if done.returncode:
        failed = run[min(len(outputs) - 1, len(run) - 1)]
        yield Difference(name, failed.commands, "exit code 0", f"{outputs[-1]}exit code {done.returncode}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.site.commands", description=__doc__)
    parser.add_argument("--note", action="store_true", help="note in docs/ran.json that they were run today")
    arguments = parser.parse_args()
    console, found = Console(), english()
    with demo_shop("web", "grpc", "sweep") as shop:
        grpc.channel_ready_future(grpc.insecure_channel(shop.grpc_address)).result(START_SECONDS)
        differences = [
            difference
            for name, page in track(found.items(), "charites: the commands of the documentation", console=console)
            for difference in run_page(name, page, shop)
        ]
    for difference in differences:
        console.print(str(difference), markup=False, highlight=False, soft_wrap=True)
    if arguments.note and not differences:
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        ran = {name: {"on": today, "version": VERSION, "commands": digest(page)} for name, page in found.items()}
        RAN.write_text(json.dumps(ran, indent=2) + "\n")
    console.print(f"charites: {len(found)} pages were run, with {len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
