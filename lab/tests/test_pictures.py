"""The instrument that takes the pictures of the documentation: how pages are looked at, and what a recording keeps."""

from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from lab.kit.browser import Browser
from lab.pictures.film import DESK, PHONE, Film
from lab.pictures.looks import LOOKS, Look, window

pytestmark = pytest.mark.once

INK = "document.body.style.background = {!r}"


def test_each_two_of_size_language_and_light_are_looked_at_once() -> None:
    seen = [(look.size[0], look.language, look.dark) for look in LOOKS]

    for first, second in ((0, 1), (0, 2), (1, 2)):
        pairs = [(look[first], look[second]) for look in seen]
        assert sorted(pairs) == sorted(product({one for one, _ in pairs}, {other for _, other in pairs}))


@pytest.mark.long
@pytest.mark.slow
def test_recording_keeps_what_changed_and_how_long_it_was_seen(browser: Browser, tmp_path: Path) -> None:
    with window(Look(PHONE, "en", dark=False), tmp_path / "phone") as phone:
        with browser.pretending(width=DESK[0], height=DESK[1], language="en"):
            film = Film(phone, browser)
            film.caption = "Nothing happens"
            film.shoot()
            film.shoot()
            phone.run(INK.format("green"))
            film.roll_until(lambda: len(film.frames) == 2, seconds=60, what="the change is seen")
            film.write(tmp_path / "film.webp")

    assert len(film.durations) == 2
    with Image.open(tmp_path / "film.webp") as written:
        assert written.n_frames == 2
        assert written.size == film.frames[0].size
