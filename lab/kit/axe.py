"""What axe-core, which checks pages for those who see, hear or move otherwise, finds on the page that a browser shows.

It comes in the wheel of axe-playwright-python. Nothing else of that package is used, and Playwright is not needed.
"""

from collections.abc import Collection
from importlib.metadata import distribution
from pathlib import Path

from lab.kit.browser import Browser

PACKAGE, FILE = "axe-playwright-python", "axe_playwright_python/axe.min.js"
GRAVE = ("serious", "critical")
# Returns "impact rule: element", one for each element that breaks a rule.
CHECK = """
return axe.run(document, { resultTypes: ["violations"] }).then(found => found.violations.flatMap(rule =>
  rule.nodes.map(node => `${rule.impact} ${rule.id}: ${node.target.join(" ")}`)))
"""


def axe() -> str:
    """The script of axe-core."""
    return Path(str(distribution(PACKAGE).locate_file(FILE))).read_text()


def findings(browser: Browser, *, impacts: Collection[str] = GRAVE) -> list[str]:
    """Returns what is wrong with the page, as sentences for a failed test. The page's own policy does not matter: the
    script comes with the driver."""
    found: list[str] = browser.run(axe() + CHECK)
    return [one for one in found if one.partition(" ")[0] in impacts]
