"""`python -m lab.site.diagrams mermaid.min.js`: draws the mermaid diagrams of docs/ in a Chromium, for the site.

Readers of a checkout see them drawn by the place that shows Markdown; the site brings a picture of each, so that it
fetches nothing. A picture is called after what it was drawn from: docs/diagrams/ has it, or the diagram was changed
since.
The script is mermaid's own (11.17.2, MIT), found in its package: dist/mermaid.min.js.
"""

import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

from lab.kit.browser import Browser, find_browser
from lab.links import ROOT

FOLDER = ROOT / "docs" / "diagrams"
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = '<!doctype html><meta charset="utf-8"><title>diagrams</title><script src="mermaid.js"></script><p id="here"></p>'
DRAW = """
mermaid.initialize({ startOnLoad: false, htmlLabels: false, flowchart: { htmlLabels: false }, theme: "neutral",
  themeVariables: { fontFamily: "sans-serif" } });
return mermaid.render("drawn", %s, document.getElementById("here")).then((drawn) => drawn.svg);
"""


def diagrams() -> dict[str, str]:
    """Returns what is to be drawn, by the name of its picture."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return {picture_of(source): source for page in pages for source in DIAGRAM.findall(page.read_text())}


def picture_of(source: str) -> str:
    return f"diagram-{hashlib.sha256(source.encode()).hexdigest()[:12]}.svg"


def with_pictures(text: str) -> str:
    """Returns a page with pictures instead of its diagrams. Raises FileNotFoundError for one that is not drawn."""

    def picture(found: re.Match[str]) -> str:
        name = picture_of(found[1])
        if not (FOLDER / name).exists():
            raise FileNotFoundError(f"a diagram was changed and not drawn since: {__doc__.splitlines()[0]}")
        return f"![](/diagrams/{name})"

    return DIAGRAM.sub(picture, text)


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = find_browser()
    if not path:
        sys.exit("charites: diagrams are drawn in Chromium, by chromedriver: one of the two is missing.")
    wanted = diagrams()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Browser(path, Path(folder)) as browser:
        (Path(folder) / "mermaid.js").write_bytes(Path(sys.argv[1]).read_bytes())
        (Path(folder) / "page.html").write_text(PAGE)
        browser.open(f"file://{folder}/page.html")
        for name, source in wanted.items():
            (FOLDER / name).write_text(browser.run(DRAW % json.dumps(source)) + "\n")
    for old in FOLDER.glob("*.svg"):
        if old.name not in wanted:
            old.unlink()
    print(f"charites: {len(wanted)} diagrams are drawn in {FOLDER.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
