"""Looks for words that lead nowhere: `python -m lab.links` names every link, file and program of the documents that
is not there.

A link is relative, with or without a heading; a file is a path in backticks, from the top of the checkout or from
further inside (`strategies/naive.py`); a program is what stands after `python -m`.
"""

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(
    r"(?:[\w.-]+/)*(?:[\w-]+/|[\w.-]+\.(?:cnf|conf|css|html|json|md|mo|po|proto|pyi?|service|svg|toml|txt|ya?ml))"
)
PROGRAM = re.compile(r"python -m ((?:charites|goods|stock|orders|messaging|live|lab)[\w.]*)")
# Made on each machine, or found there; and what stands for a file of the reader's.
ELSEWHERE = {"var", ".venv", "FILE.html"}


def pages(root: Path = ROOT) -> list[Path]:
    """Returns all documents of the repository."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "lab").rglob("*.md")])


def prose(page: Path) -> str:
    """Returns a page without its blocks of code."""
    return FENCED.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ .*$", prose(page), re.MULTILINE)


def anchors(page: Path) -> list[str]:
    """Returns the names by which GitHub links to the headings of a page, in their order."""
    titles = [heading.lstrip("# ").lower() for heading in headings(page)]
    return [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]


@cache
def files(root: Path) -> str:
    """Returns the paths of all files, a line each, with a slash in front."""
    found = []
    for folder, names, here in os.walk(root):
        names[:] = [name for name in names if name not in ELSEWHERE | {".git", "__pycache__"}]
        found += [f"/{(Path(folder) / name).relative_to(root)}\n" for name in here]
    return "".join(found)


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path.replace("\\", "")).resolve() if path else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            yield link


def missing_files(page: Path, root: Path = ROOT) -> Iterator[str]:
    for word in [word for code in CODE.findall(prose(page)) for word in code.split()]:
        is_ours = FILE.fullmatch(word) and word.split("/")[0] not in ELSEWHERE
        if is_ours and f"/{word}{'' if word.endswith('/') else chr(10)}" not in files(root):
            yield word


def missing_programs(page: Path, root: Path = ROOT) -> Iterator[str]:
    for name in PROGRAM.findall(page.read_text()):
        file = root.joinpath(*name.split("."))
        if not file.with_suffix(".py").exists() and not (file / "__main__.py").exists():
            yield f"python -m {name}"


def main() -> int:
    lost = 0
    for page in pages():
        for word in [*broken_links(page), *missing_files(page), *missing_programs(page)]:
            print(f"{page.relative_to(ROOT)}: {word} is not there")
            lost += 1
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
