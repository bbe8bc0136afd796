"""The language of an answer outside Django's middlewares: the best of ours for what the caller accepts."""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

LONGEST = 256


def language(accepted: str) -> str:
    """Returns the best of our languages for an `accept-language`; for one that is no list of languages, ours."""
    return best(accepted) if len(accepted) <= LONGEST else str(settings.LANGUAGE_CODE)


@lru_cache(1_000)
def best(accepted: str) -> str:
    for code, _quality in parse_accept_lang_header(accepted.lower()):
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return str(settings.LANGUAGE_CODE)


def speaking(accepted: str) -> AbstractContextManager[None]:
    """The language of a call. Mostly it is the one that is spoken here anyway, and to see that is cheaper."""
    code = language(accepted)
    return nullcontext() if code == translation.get_language() else translation.override(code)
