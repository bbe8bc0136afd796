"""The story of the recording: somebody buys a piece, then two hundred want five."""

from pathlib import Path

from lab.kit.browser import Browser
from lab.kit.processes.shop import Shop
from lab.pictures import film, scenes
from lab.pictures.film import Film
from lab.pictures.looks import FOLDER, Look, window

LEFT = "[data-testid=available]"
STOCK = "#crowd-stock"


def tell(shop: Shop, folder: Path) -> Path:
    """Records the story; returns its file."""
    phone_look, desk_look = Look(film.PHONE, "en", dark=False), Look(film.DESK, "en", dark=False)
    with window(phone_look, folder / "phone") as phone, window(desk_look, folder / "desk") as desk:
        scenes.open_live(phone, shop, "/rooms/1")
        scenes.open_live(desk, shop, "/rooms/1/desk")
        recording = Film(phone, desk)
        one_buys(recording, phone, desk)
        two_hundred_want_five(recording, phone, desk)
        FOLDER.mkdir(exist_ok=True)
        file = FOLDER / "story.webp"
        recording.write(file)
        return file


def one_buys(recording: Film, phone: Browser, desk: Browser) -> None:
    before = phone.texts(LEFT)
    recording.caption = "A buyer in the room, the host at the desk"
    recording.roll(1.5)
    recording.press(phone, "[data-testid=buy]")
    recording.caption = "One piece is reserved: both see it at once"
    recording.roll_until(
        lambda: phone.texts(LEFT) != before and left_on(desk) == phone.texts(LEFT),
        seconds=scenes.SECONDS,
        what="both windows say that a piece is gone",
    )
    recording.roll(2.0)


def two_hundred_want_five(recording: Film, phone: Browser, desk: Browser) -> None:
    recording.caption = "Now 200 buyers want 5 pieces"
    recording.press(desk, STOCK)
    desk.press("5")
    recording.roll(1.0)
    recording.press(desk, "[data-testid=desk-send]")
    recording.roll_until(
        lambda: phone.texts(LEFT) == ["0"] and desk.run(scenes.CROWD) == "done",
        seconds=scenes.SECONDS,
        what="all buyers have their answer",
    )
    recording.caption = "5 got it, 195 were told that it is sold out"
    recording.roll(4.0)


def left_on(desk: Browser) -> list[str]:
    """What the desk says is left of the product that is pinned."""
    return desk.texts("#pinned [data-testid=available]")
