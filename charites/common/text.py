"""Texts that people type: what they may hold, and the form in which they are kept.

A text is kept in Unicode's composed form (NFC) and without blanks around it, so that what looks the same is the same;
otherwise as it was typed. Every script and every emoji may stand in it. Refused is what cannot be printed, what turns
the direction of the text around it, and what nobody can see. Why: docs/adr/0026-texts-that-people-type.md.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.models import KEY_LENGTH, MAX_INT64

UNPRINTABLE = {"Cc", "Cs", "Cn", "Zl", "Zp"}  # controls, halves of characters, unassigned ones, separators of lines
# Embeddings, overrides and isolates. The plain marks of direction stay: people's keyboards set them.
DIRECTIONS = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
# Letters and signs that are blank: Hangul's fillers, Braille's empty cell, the silent head of a note.
BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159")
# Where Unicode goes on to add what people type: emoji, and the rarer characters of Chinese names.
GROWING = (range(0x1F000, 0x1FB00), range(0x20000, 0x3FFFE))


WHOLE = re.compile(r"[0-9]{1,19}")  # as many digits as MAX_INT64 has


class TextRule(NamedTuple):
    """A field that people type into: its name, how many characters may stand there, and whether on several lines."""

    field: str
    most: int
    has_lines: bool = False


def whole(text: str | None) -> int | None:
    """A number in a form or an address, from 0 to 2^63-1; None for everything else."""
    number = int(text) if text and WHOLE.fullmatch(text) else None
    return number if number is not None and number <= MAX_INT64 else None


def tidy(text: str) -> str:
    """Returns a text in the form in which it is kept; lines end as in Unix."""
    text = text.strip()
    return text if text.isascii() and "\r" not in text else unicodedata.normalize("NFC", text.replace("\r\n", "\n"))


def check_texts(*typed: tuple[TextRule, str]) -> None:
    """Raises Invalid, which names every one that is wrong, and the character that is wrong with it."""
    if found := [fault for rule, text in typed if (fault := find_fault(rule, text))]:
        raise Invalid.of(found)


def find_fault(rule: TextRule, text: str) -> Invalid | None:
    """Returns what is wrong with a text."""
    if text.isprintable() and len(text) <= rule.most and text[:1].isalnum() and text[0] not in BLANK:
        return None  # nearly all of them
    if not text or text.isspace():
        return Invalid(rule.field, _("is missing"))
    if len(text) > rule.most:
        return Invalid(rule.field, _("is longer than %(limit)s characters"), limit=rule.most)
    if not text.isprintable() and (fault := find_bad_character(rule.field, text, has_lines=rule.has_lines)):
        return fault
    return None if any(map(is_visible, text)) else Invalid(rule.field, _("holds nothing that can be seen"))


def find_bad_character(field: str, text: str, *, has_lines: bool) -> Invalid | None:
    """Returns what is wrong with the first character that may not stand in a text."""
    for character in text:
        if reason := reason_against(character):
            if has_lines and character == "\n":
                continue
            return Invalid(field, reason, character=name_of(character))
    return None


def reason_against(character: str) -> Promise | None:
    """Why a character may not stand in a text."""
    if character in DIRECTIONS:
        return _("holds %(character)s, which changes the direction of the text")
    if unicodedata.category(character) in UNPRINTABLE and not is_new(character):
        return _("holds %(character)s, which cannot be printed")
    return None


def is_new(character: str) -> bool:
    """Whether a character may be one that is younger than the tables of this Python."""
    number = ord(character)
    is_none = number & 0xFFFE == 0xFFFE
    return any(number in numbers for numbers in GROWING) and not is_none


def is_visible(character: str) -> bool:
    """Whether a character shows something by itself: no blank, no mark that needs another one, nothing invisible."""
    category = unicodedata.category(character)
    return (category[0] in "LNPS" or category in ("Co", "Cn")) and character not in BLANK


def name_of(character: str) -> str:
    return f"U+{ord(character):04X}"


def texts_in(value: Any) -> Iterable[str]:
    """Every text in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def check_json(field: str, value: Any) -> None:
    """Raises Invalid for a JSON value that somebody typed with a character that may not stand in a text."""
    for text in texts_in(value):
        if fault := find_bad_character(field, text, has_lines=True):
            raise fault


def is_key(text: str, most: int) -> bool:
    """Whether a text may be a key that machines make: printable ASCII characters without blanks around them. Databases
    compare others too generously."""
    return 0 < len(text) <= most and text.isascii() and text.isprintable() and text == text.strip()


def check_key(key: str) -> None:
    """Raises Invalid for what is no idempotency key."""
    if is_key(key, KEY_LENGTH):
        return
    wrong = next((character for character in key if not (character.isascii() and character.isprintable())), None)
    if wrong and len(key) <= KEY_LENGTH:
        reason = _("holds %(character)s, and may hold printable ASCII characters only")
        raise Invalid("idempotency_key", reason, character=name_of(wrong))
    raise Invalid("idempotency_key", _("must be 1 to %(limit)s printable ASCII characters"), limit=KEY_LENGTH)
