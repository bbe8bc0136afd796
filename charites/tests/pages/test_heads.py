"""What every page has in its head, and what is behind it."""

import re
import struct

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from lab.generate import marks
from lab.kit.factories import make_room

SOCIAL_MAX_BYTES = 100_000


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/rooms/7", "/sign-in", "/rooms/8"])
def test_page_has_a_title_an_icon_and_a_picture_for_others(path: str) -> None:
    make_room(7)
    page = Client().get(path).text

    assert re.search(r"<title>\S.*charites.*</title>|<title>charites.*</title>", page)
    assert '<meta name="description" content="' in page
    assert 'content="http://testserver/static/charites/social.png"' in page
    assert '"/static/charites/favicon.svg"' in page


def test_favicon_is_where_programs_look_for_it() -> None:
    answer = Client().get("/favicon.ico")

    assert (answer.status_code, answer["Location"]) == (302, "/static/charites/favicon.ico")
    assert finders.find("charites/favicon.ico")


def test_mark_is_what_the_program_draws() -> None:
    assert (marks.FOLDER / "favicon.svg").read_text() == marks.favicon()


@pytest.mark.parametrize(("name", "size"), [("social.png", marks.SOCIAL), ("touch-icon.png", (180, 180))])
def test_picture_has_its_size(name: str, size: tuple[int, int]) -> None:
    picture = (marks.FOLDER / name).read_bytes()

    assert picture.startswith(b"\x89PNG\r\n")
    assert struct.unpack(">II", picture[16:24]) == size
    assert len(picture) < SOCIAL_MAX_BYTES


def test_icon_file_holds_a_picture_of_its_size() -> None:
    icon = (marks.FOLDER / "favicon.ico").read_bytes()
    _, kind, count, width, height, *_, length, offset = struct.unpack("<HHHBBBBHHII", icon[:22])

    assert (kind, count, width, height, offset + length) == (1, 1, marks.ICON, marks.ICON, len(icon))
    assert struct.unpack(">II", icon[offset + 16 : offset + 24]) == (marks.ICON, marks.ICON)
