"""What may stand in a text that somebody types."""

import unicodedata

import pytest

from charites.common.errors import Invalid
from charites.common.models import MAX_INT64
from charites.common.text import TextRule, check_json, check_key, check_texts, find_fault, tidy, whole

FINE = {
    "ASCII": "1 Harbour Road",
    "Chinese": "北京市朝阳区建国路八十八号",
    "an ideographic space": "李\u3000雷",
    "a rare character of names": "\U00020bb7\U00030ede",
    "a rare character that Python may not know yet": "\U0002ebf0",
    "Arabic with marks": "مُحَمَّد",
    "Arabic with a mark of direction": "\u200fمحمد 12\u200e",
    "Persian with a non-joiner": "می\u200cخواهم",
    "Hindi": "क्षत्रिय",
    "Thai": "ถนนสุขุมวิท",
    "Vietnamese, decomposed": unicodedata.normalize("NFD", "Nguyễn"),
    "Korean": "홍길동",
    "Korean, decomposed": unicodedata.normalize("NFD", "홍길동"),
    "a family": "👨‍👩‍👧",
    "a flag of tags": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "a key cap": "1️⃣",
    "an emoji alone": "❤️",
    "an emoji that Python may not know yet": "\U0001fae9",
    "a combining mark": "Zoe\u0308",
    "a soft hyphen": "Donau\u00addampfschiff",
    "a number": "+86 (138) 0000-0000 ext. 5",
    "private use": "\ue000",
}
BAD = {
    "\x00": "U+0000, which cannot be printed",
    "\x07": "U+0007, which cannot be printed",
    "\x7f": "U+007F, which cannot be printed",
    "\x85": "U+0085, which cannot be printed",
    "\ud83d": "U+D83D, which cannot be printed",
    "\u0378": "U+0378, which cannot be printed",
    "\ufdd0": "U+FDD0, which cannot be printed",
    "\uffff": "U+FFFF, which cannot be printed",
    "\U0002fffe": "U+2FFFE, which cannot be printed",
    "\u2029": "U+2029, which cannot be printed",
    "\u202a": "U+202A, which changes the direction of the text",
    "\u202e": "U+202E, which changes the direction of the text",
    "\u2069": "U+2069, which changes the direction of the text",
}
INVISIBLE = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\ufe0f", "\U000e0100", "\u034f", "\u115f", "\u1160"]
INVISIBLE += ["\u3164", "\uffa0", "\u2800", "\U0001d159", "\u180e", "\u0301", "\u20dd", "\u200f", "\U000e0041"]


def fault_of(text: str, *, most: int = 128, has_lines: bool = False) -> str | None:
    fault = find_fault(TextRule("name", most, has_lines), text)
    return fault.message if fault else None


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_text_of_any_script_is_fine(text: str) -> None:
    assert fault_of(tidy(text)) is None


@pytest.mark.parametrize("character", BAD, ids=ascii)
def test_character_that_may_not_stand_in_a_text_is_named(character: str) -> None:
    assert fault_of(f"Li {character} Lei") == f"name: holds {BAD[character]}"


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_text_that_nobody_can_see_is_refused_and_the_same_beside_a_letter_is_not(character: str) -> None:
    assert fault_of(f"{character} {character}") == "name: holds nothing that can be seen"
    assert fault_of(f"a{character}") is None


@pytest.mark.parametrize("text", ["", " ", "\u3000", "\u00a0\t\n"])
def test_blank_text_is_missing(text: str) -> None:
    assert fault_of(text) == "name: is missing"


def test_length_is_counted_in_characters() -> None:
    assert fault_of("马" * 128) is None
    assert fault_of("😀" * 129) == "name: is longer than 128 characters"
    assert fault_of(tidy(unicodedata.normalize("NFD", "é" * 128))) is None


def test_text_has_several_lines_only_where_it_may() -> None:
    assert fault_of("1 Harbour Road\nBack door") == "name: holds U+000A, which cannot be printed"
    assert fault_of("1 Harbour Road\nBack door", has_lines=True) is None
    assert fault_of("1 Harbour Road\rBack door", has_lines=True) == "name: holds U+000D, which cannot be printed"


def test_text_is_kept_composed_without_blanks_around_it() -> None:
    assert tidy(" Zoe\u0308\u3000\n") == "Zoë"
    assert tidy("one\r\ntwo") == "one\ntwo"
    assert tidy("ﬁ ① Ａ") == "ﬁ ① Ａ"  # composed, and nothing more: these are other characters


def test_every_text_that_is_wrong_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        check_texts((TextRule("address", 255), "a\x07"), (TextRule("name", 128), "Li"), (TextRule("phone", 32), ""))

    assert caught.value.message == "address: holds U+0007, which cannot be printed; phone: is missing"
    assert caught.value.details == {"field": "address", "fields": "address, phone", "character": "U+0007"}


@pytest.mark.parametrize("value", [["a", "b\u202e"], {"a\x00": 1}, {"a": [{"b": "\ud800"}]}])
def test_json_with_a_character_that_may_not_stand_in_a_text_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match="holds U"):
        check_json("detail", value)

    check_json("detail", {"a": ["two\nlines", "", 1, None, True, 1.5]})


@pytest.mark.parametrize(
    ("key", "fault"),
    [("", "must be 1 to 64"), (" k", "must be 1 to 64"), ("k" * 65, "must be 1 to 64"), ("a\nb", "holds U\\+000A")],
)
def test_key_of_other_characters_is_refused(key: str, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        check_key(key)

    check_key("a-Key: 1~")


@pytest.mark.parametrize("number", [0, 7, 10**18, MAX_INT64])
def test_whole_number_is_read_as_far_as_an_id_goes(number: int) -> None:
    assert whole(str(number)) == number


@pytest.mark.parametrize("text", [None, "", " 7", "+7", "-7", "7.0", "٧", "seven", str(MAX_INT64 + 1), "9" * 20])
def test_text_that_is_no_whole_number_is_none(text: str | None) -> None:
    assert whole(text) is None
