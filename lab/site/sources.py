"""Lays out the pages of the site for Sphinx, one language at a time: docs/site.toml says which pages there are.

The pages stay Markdown as it is read in a checkout. On the way into the site a link to another page becomes one inside
the site; a file of the code is named by its path, or linked to where REPOSITORY_URL says it can be read. A page that
has a Chinese version (docs/zh/) is that version in the Chinese site, the others are English there.
"""

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lab.links import FENCED, ROOT, anchors, pages
from lab.site.blocks import ASIDE, blocks, with_reasons
from lab.site.diagrams import with_pictures

DOCS = ROOT / "docs"
LANGUAGES = {"en": "English", "zh": "中文"}
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
PICTURES = ("*.svg", "pictures/*", "diagrams/*")

RAN = DOCS / "ran.json"  # when the commands of a page were last run; lab/site/commands.py writes it
LAST_RUN = {
    "en": "Blocks of commands of this page that are run: {run} of {all}, last on {on}, with version {version}.",
    "zh": "本页 {all} 个命令块中运行了 {run} 个，最近一次运行于 {on}，版本 {version}。",
}
NOT_RUN = {"en": "Not run for this page: {why}.", "zh": "此命令块未随本页运行：{why}。"}

NOT_TRANSLATED = "本页还没有中文翻译，以下为英文。"
NOT_SEARCHED = ("mutants", "project/changelog")  # lists of lines that have a word in them, and no answer
UNSEARCHED = "---\nnosearch: true\n---\n"

TITLE = re.compile(r"^# .*$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[((?:`[^`]*`|[^\]\[`])+)\]\(([^)\s]+)\)")  # words in backticks may have brackets
PICTURE = re.compile(r"""(!\[[^\]]*\]\(|<img src=")([^)\s"]+)""")
OTHER_LANGUAGE = re.compile(r"^\[(?:中文|English)\]\(README[\w.-]*\)\n+", re.MULTILINE)


class Section(NamedTuple):
    title: str
    pages: list[Path]


class Site:
    """The pages of one language."""

    def __init__(self, language: str, repository_url: str = "") -> None:
        self.language = language
        self.repository_url = repository_url.rstrip("/")

    @cached_property
    def sections(self) -> list[Section]:
        told = tomllib.loads((DOCS / "site.toml").read_text())["sections"]
        return [
            Section(section[self.language], [path for name in section["pages"] for path in find(name)])
            for section in told
        ]

    @cached_property
    def names(self) -> dict[Path, str]:
        """What each file is called in the site. Both languages of a page are the same page."""
        names = dict.fromkeys(READMES.values(), "index")
        for path in (path for section in self.sections for path in section.pages):
            names[path] = names[chinese(path)] = name_of(path)
        return names

    def lay_out(self, folder: Path) -> None:
        """Writes what Sphinx reads into a folder of its own. Raises ValueError where a document of the repository is in
        no section."""
        if lost := [str(page.relative_to(ROOT)) for page in pages() if page not in self.names]:
            raise ValueError(f"in no section of docs/site.toml: {', '.join(lost)}")
        for pattern in PICTURES:
            for picture in DOCS.glob(pattern):
                copy = folder / picture.relative_to(DOCS)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, copy)
        for path, name in self.names.items():
            file = folder / f"{name}.md"
            if path == self.version(path):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(self.page(path))
        with (folder / "index.md").open("a") as index:
            index.writelines(self.table_of_contents())

    def version(self, path: Path) -> Path:
        """Returns the file that is this page in this language."""
        if path in READMES.values():
            return READMES[self.language]
        original = DOCS / path.relative_to(DOCS / "zh") if path.is_relative_to(DOCS / "zh") else path
        return chinese(original) if self.language == "zh" and chinese(original).exists() else original

    def page(self, path: Path) -> str:
        text = with_pictures(OTHER_LANGUAGE.sub("", path.read_text(), count=1))
        text = with_reasons(text, NOT_RUN[language_of(path)])
        head = UNSEARCHED if self.names[path] in NOT_SEARCHED else ""
        if self.language == "zh" and not is_chinese(path):
            text = TITLE.sub(lambda title: f"{title[0]}\n\n{ASIDE}{NOT_TRANSLATED}", text, count=1)
        return head + outside_code(text, lambda prose: self.with_links(prose, path)) + self.last_run(path)

    def last_run(self, path: Path) -> str:
        """Returns how many of the commands of a page were run, and when; nothing where none were."""
        ran = json.loads(RAN.read_text())
        name = next((name for name in ran if self.names[ROOT / name] == self.names[path]), None)
        if not name:
            return ""
        found = blocks(path)
        run = [block for block in found if not block.why]
        said = LAST_RUN[language_of(path)].format(run=len(run), all=len(found), **ran[name])
        return f"\n{ASIDE}{said}\n"

    def with_links(self, prose: str, path: Path) -> str:
        prose = PICTURE.sub(lambda found: found[1] + self.picture(found[2], path), prose)
        return LINK.sub(lambda found: self.link(found[1], found[2], path), prose)

    def picture(self, target: str, path: Path) -> str:
        file = (path.parent / target).resolve()
        return f"/{file.relative_to(DOCS)}" if file.is_relative_to(DOCS) else target

    def link(self, words: str, target: str, path: Path) -> str:
        file, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:") or not file:
            return f"[{words}]({target})"
        there = (path.parent / file).resolve()
        if there in self.names:
            return f"[{words}](/{self.names[there]}.md{self.anchor(there, anchor)})"
        place = str(there.relative_to(ROOT))
        if self.repository_url:
            return f"[{words}]({self.repository_url}/{place})"
        return f"`{place}`" if place.endswith(words.strip("`/")) else f"{words} (`{place}`)"

    def anchor(self, file: Path, anchor: str) -> str:
        """Returns an anchor as it is called in this language: both have the same headings in the same order."""
        version = self.version(file)
        if not anchor or version == file:
            return f"#{anchor}" if anchor else ""
        return f"#{anchors(version)[anchors(file).index(anchor)]}"

    def table_of_contents(self) -> Iterator[str]:
        for title, paths in self.sections:
            entries = "\n".join(self.names[path] for path in paths)
            yield f"\n```{{toctree}}\n:caption: {title}\n:hidden:\n\n{entries}\n```\n"


def find(name: str) -> list[Path]:
    """Returns the files of an entry of docs/site.toml."""
    found = sorted(ROOT.glob(name)) if name.endswith(".md") else sorted(DOCS.glob(f"{name}.md"))
    if not found:
        raise ValueError(f"docs/site.toml: there is no page {name}")
    return found


def is_chinese(path: Path) -> bool:
    return path == READMES["zh"] or path.is_relative_to(DOCS / "zh")


def language_of(path: Path) -> str:
    return "zh" if is_chinese(path) else "en"


def chinese(path: Path) -> Path:
    return DOCS / "zh" / path.name


def name_of(path: Path) -> str:
    """Returns what a page is called in its address."""
    if path.is_relative_to(DOCS):
        return str(path.relative_to(DOCS).with_suffix(""))
    return f"project/{path.relative_to(ROOT).with_suffix('')}".lower()


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Changes what is not in a block of code."""
    blocks: list[Any] = FENCED.findall(text)
    kept = [change(prose) for prose in FENCED.split(text)]
    return kept[0] + "".join(block + prose for block, prose in zip(blocks, kept[1:], strict=True))
