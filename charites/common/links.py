"""Addresses of pictures and videos, which staff type and pages show: of this host, or of another over HTTPS."""

import re
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid

# Browsers take a backslash for a slash, two slashes for the beginning of a host, and leave out blanks inside.
LINK = re.compile(r"/(?!/)[^\\\s]*|(?i:https)://\w[\w.-]*(?::[0-9]{1,5})?(?:[/?#][^\\\s]*)?")


def is_link(text: str) -> bool:
    """Whether a page may show what is there: a path of this host, or an address that begins with https://."""
    return text.isprintable() and LINK.fullmatch(text) is not None


def find_bad_link(field: str, links: Iterable[str]) -> Invalid | None:
    """Returns what is wrong with the first address that is none."""
    bad = next((link for link in links if not is_link(link)), None)
    if bad is None:
        return None
    reason = _("holds “%(link)s”, which is neither a path such as /media/a.webp nor an address with https://")
    return Invalid(field, reason, link=bad)
