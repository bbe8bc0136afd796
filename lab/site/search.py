"""What the search of the site takes for a word, in its index and in what is asked.

Long numbers are words, since people look for those of errors: Sphinx leaves out what has digits alone. Chinese has
no spaces, so each two characters beside each other are a word; Sphinx's own way wants a dictionary that nobody keeps.
"""

import re
from itertools import pairwise

from sphinx.search import SearchLanguage
from sphinx.search.en import SearchEnglish

RUNS = re.compile(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+")
NUMBER = re.compile(r"[0-9]{3,}")
MARK = "no"  # in front of a number

# The same in the browser.
SPLIT_QUERY = r"""
function splitQuery(query) {
  const runs = query.match(/[\u4e00-\u9fff]+|[\p{Letter}\p{Number}_]+/gu) || [];
  return runs.flatMap((run) => {
    if (/^[0-9]{3,}$/.test(run)) return ["no" + run];
    const han = run.match(/^[\u4e00-\u9fff]+/);
    if (!han || run.length < 3) return [run];
    return Array.from({ length: run.length - 1 }, (_, i) => run.slice(i, i + 2));
  });
}
"""


class OurWords(SearchLanguage):
    js_splitter_code = SPLIT_QUERY

    def split(self, text: str) -> list[str]:
        return [word for run in RUNS.findall(text) for word in words(run)]


class English(OurWords, SearchEnglish):
    """With Sphinx's stems and stop words."""


class Chinese(OurWords):
    lang = "zh"
    language_name = "Chinese"
    stopwords = frozenset()

    def word_filter(self, word: str) -> bool:
        return len(word) > 1

    def stem(self, word: str) -> str:
        return word.lower()


def words(run: str) -> list[str]:
    """Returns the words of a run of letters and digits, or of Chinese characters."""
    if NUMBER.fullmatch(run):
        return [MARK + run]
    is_chinese = "\u4e00" <= run[0] <= "\u9fff"
    return [one + two for one, two in pairwise(run)] if is_chinese and len(run) > 2 else [run]
