"""`python -m lab.pictures [NAME...]`: takes the pictures again, or those of these names, and says what the pages weigh.

A name is one of the scenes, or `story`, the recording.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from lab.kit import figures
from lab.kit.browser import Browser
from lab.kit.demo_shop import demo_shop
from lab.kit.processes.shop import Shop, wait_until
from lab.pictures import story
from lab.pictures.looks import COMPLETE, FOLDER, LOOKS, Look, NoBrowser, keep, window
from lab.pictures.scenes import SCENES, SECONDS

MEASURED = ("front", "room", "desk")
STORY = "story"


def main(names: list[str]) -> int:
    console = Console()
    chosen = names or [*SCENES, STORY]
    if unknown := set(chosen) - {*SCENES, STORY}:
        console.print(f"charites: no picture is called {', '.join(sorted(unknown))}.", style="red")
        return 2
    table = Table(title="First loads", title_justify="left")
    for title in ("page", "width", "KB without pictures", "first paint, ms", "jumps"):
        table.add_column(title, justify="left" if title == "page" else "right")
    try:
        take_all(chosen, table, console)
    except NoBrowser:
        console.print("charites: there is no Chromium with its chromedriver here.", style="red")
        return 1
    except subprocess.CalledProcessError as failed:
        console.print(f"charites: the shop could not be made:\n{failed.stderr}", style="red")
        return 1
    console.print(table)
    files = sorted(FOLDER.glob("*.webp"), key=lambda file: file.stat().st_size)
    console.print(
        f"{len(files)} files in {FOLDER}; {files[-1].name} is the largest: {files[-1].stat().st_size:,} bytes"
    )
    return 0


def take_all(chosen: list[str], table: Table, console: Console) -> None:
    scenes = [name for name in SCENES if name in chosen]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress, tempfile.TemporaryDirectory() as folder:
        task = progress.add_task("the shop starts", total=len(LOOKS) * len(scenes) + (STORY in chosen))
        with demo_shop("web", "sweep") as shop:
            for look in LOOKS if scenes else []:
                with window(look, Path(folder) / look.name) as browser:
                    for scene in scenes:
                        progress.update(task, description=f"{scene}, {look.name}")
                        take(browser, shop, scene, look)
                        if scene in MEASURED:
                            table.add_row(*measured(browser, scene, look))
                        progress.advance(task)
            if STORY in chosen:
                progress.update(task, description="the recording")
                story.tell(shop, Path(folder))
                progress.advance(task)


def take(browser: Browser, shop: Shop, scene: str, look: Look) -> None:
    SCENES[scene](browser, shop)
    wait_until(lambda: browser.run(COMPLETE), seconds=SECONDS, what=f"the pictures of {scene} are there")
    keep(browser.view(), f"{scene}-{look.name}")


def measured(browser: Browser, scene: str, look: Look) -> list[str]:
    _, weight = figures.weigh(browser)
    painted = figures.painted_ms(browser)
    return [scene, str(look.size[0]), f"{weight / 1000:.0f}", f"{painted or 0:.0f}", f"{figures.jumps(browser):.3f}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
