"""How Sphinx makes the site. `python -m lab.site` calls it; the language comes from there."""

from pathlib import Path

import sphinx.search

from charites.version import VERSION
from lab.site.search import Chinese, English

ROOT = Path(__file__).resolve().parents[2]

project = "charites"
release = VERSION
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["html_image", "attrs_block"]

html_theme = "furo"
html_title = f"charites {release}"
html_favicon = str(ROOT / "charites" / "static" / "charites" / "favicon.svg")
html_css_files = ["site.css"]
html_static_path = ["static"]
templates_path = ["templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

sphinx.search.languages |= {"en": English, "zh": Chinese}
