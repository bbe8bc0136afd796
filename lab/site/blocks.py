"""The blocks of commands of a page: lab/site/commands.py runs them, and the site says which of them were run.

What is not run has a comment in front of it, `<!-- not run: ... -->`, which says why. The block of `text` behind one is
what it prints.
"""

import re
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>.*?) -->\n)?^```sh\n(?P<commands>.*?)^```$(?:\n\n^```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
ASIDE = "{.aside}\n"  # in front of what the site says of a page, and not the page itself


class Block(NamedTuple):
    """Commands of a page; `why` it is not run, and what it prints, where the page says so."""

    commands: str
    printed: str = ""
    why: str = ""


def blocks(page: Path) -> list[Block]:
    return [
        Block(found["commands"], found["printed"] or "", found["why"] or "")
        for found in BLOCK.finditer(page.read_text())
    ]


def with_reasons(text: str, said: str) -> str:
    """Returns a page that says, below what is not run, why. `said`: how, with a place for `why`."""

    def reason(found: re.Match[str]) -> str:
        why = found["why"]
        return f"{found[0]}\n\n{ASIDE}{said.format(why=why)}" if why else found[0]

    return BLOCK.sub(reason, text)
