"""Chinese words for the search of the site: text has no spaces, so each two characters beside each other are a word."""

import re
from itertools import pairwise

from sphinx.search import SearchLanguage

RUNS = re.compile(r"[\u4e00-\u9fff]+|[A-Za-z0-9_]+")

# The same in the browser, for what is asked.
SPLIT_QUERY = r"""
function splitQuery(query) {
  const runs = query.match(/[\u4e00-\u9fff]+|[A-Za-z0-9_]+/g) || [];
  return runs.flatMap((run) =>
    run.charCodeAt(0) < 0x4e00 || run.length < 3
      ? [run]
      : Array.from({ length: run.length - 1 }, (_, i) => run.slice(i, i + 2)),
  );
}
"""


class Chinese(SearchLanguage):
    """Replaces Sphinx's own, which wants a dictionary that nobody keeps any more."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = SPLIT_QUERY
    stopwords = frozenset()

    def split(self, text: str) -> list[str]:
        return [word for run in RUNS.findall(text) for word in words(run)]

    def word_filter(self, word: str) -> bool:
        return len(word) > 1

    def stem(self, word: str) -> str:
        return word.lower()


def words(run: str) -> list[str]:
    """Returns a run of Latin characters whole, and each pair of neighbours of Chinese ones."""
    return [run] if run[0] < "\u4e00" or len(run) < 3 else [one + two for one, two in pairwise(run)]
