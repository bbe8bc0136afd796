"""How Sphinx makes the site. `python -m lab.site` calls it; the language comes from there."""

from gettext import NullTranslations
from pathlib import Path

import sphinx.search
from sphinx.application import Sphinx

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

# What Furo says, and Sphinx's own Chinese does not have.
CHINESE = {
    "Back to top": "回到顶部",
    "Home": "首页",
    "Made with ": "主题：",
    "Next": "下一页",
    "On this page": "本页内容",
    "Previous": "上一页",
    "Skip to content": "跳到正文",
}


class OfTheTheme(NullTranslations):
    def gettext(self, message: str) -> str:
        return CHINESE.get(message, message)


def setup(app: Sphinx) -> None:
    if app.config.language == "zh_CN":
        app.translator.add_fallback(OfTheTheme())
