"""Pictures that staff upload: what is kept of them, what is refused, and how they are served."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError
from django.test import Client
from PIL import Image

from charites.common import pictures
from charites.common.errors import Busy, NotFound, OutcomeUnknown, ServiceError
from charites.common.pictures import Unfit, find, made_anew, store, unless_refused

TOO_MANY = "This picture has too many pixels: 12 million at most."
NONE = "This is no picture in JPEG, PNG or WebP."


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 30), colour: Any = "teal", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB" if colour == "teal" else "RGBA", size, colour).save(file, kind, **options)
    return file.getvalue()


def read(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def says_it_is_large() -> bytes:
    """A PNG of a few bytes that says that it is 60,000 pixels wide and as high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_picture_is_made_anew_as_webp(kind: str) -> None:
    found = read(made_anew(picture(kind)))

    assert (found.format, found.size, found.mode) == ("WEBP", (40, 30), "RGB")


def test_nothing_is_kept_of_what_stands_beside_a_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    sent = picture(exif=exif) + b"<script>alert(1)</script>"

    kept = made_anew(sent)

    assert not read(kept).getexif()
    assert b"home" not in kept
    assert b"script" not in kept


def test_picture_that_a_camera_has_turned_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    assert read(made_anew(picture(exif=exif))).size == (30, 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_picture_whose_notes_cannot_be_read_is_taken_without_them(kind: str) -> None:
    kept = made_anew(picture(kind, exif=b"Exif\0\0no such thing"))

    assert read(kept).size == (40, 30)
    assert b"no such thing" not in kept


def in_scans(number: int, **options: Any) -> bytes:
    """A JPEG that is stored in as many steps: the last one of a progressive picture again and again."""
    content = picture(progressive=True, **options)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * (1 + number - content.count(b"\xff\xda")) + content[-2:]


SEVERAL = {"kind": "MPO", "save_all": True, "append_images": [Image.new("RGB", (40, 30))]}


@pytest.mark.parametrize("options", [{"kind": "JPEG"}, SEVERAL], ids=["one", "several"])
def test_picture_in_many_steps_is_refused_before_it_is_decoded(options: Any) -> None:
    with pytest.raises(Unfit, match="stored in more than 100 steps"):
        made_anew(in_scans(101, **options))

    assert read(made_anew(in_scans(100, **options))).size == (40, 30)


def test_what_is_seen_through_stays_so_and_of_an_animation_the_first_picture_is_kept() -> None:
    assert read(made_anew(picture("PNG", colour=(0, 0, 0, 0)))).mode == "RGBA"
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])

    found: Any = read(made_anew(file.getvalue()))

    assert getattr(found, "n_frames", 1) == 1


def test_large_picture_is_made_smaller() -> None:
    assert read(made_anew(picture(size=(3200, 100)))).size == (1600, 50)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", NONE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", NONE),
        (b"<html>", NONE),
        (picture("GIF"), NONE),
        (picture("TIFF"), NONE),
        (picture("PNG", size=(4001, 3000)), TOO_MANY),
        (says_it_is_large(), TOO_MANY),
        (picture(size=(400, 300))[:-200], "This picture cannot be read."),
    ],
    ids=["empty", "svg", "html", "gif", "tiff", "large", "bomb", "half"],
)
def test_what_is_no_picture_or_too_large_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Unfit) as refusal:
        made_anew(content)

    assert str(refusal.value) == reason


def test_picture_is_stored_under_a_name_that_says_nothing(folder: Path) -> None:
    first, second = store(b"one"), store(b"two")

    assert first != second
    assert first.startswith("/media/")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([first.removeprefix("/media/"), second.removeprefix("/media/")])
    assert all(pictures.NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        *[(NotFound(), False), (Busy(), False), (IntegrityError(1062), False)],
        *[(OutcomeUnknown(), True), (OperationalError(2013), True)],
    ],
    ids=repr,
)
def test_picture_that_no_row_names_is_taken_away_and_one_that_may_be_named_stays(
    folder: Path, error: ServiceError | DatabaseError, stays: bool
) -> None:
    store(b"of another")
    address = store(b"one")

    with pytest.raises(type(error)), unless_refused(address):
        raise error
    with pytest.raises(type(error)), unless_refused(""):
        raise error

    assert (find(address.removeprefix("/media/")) is not None) == stays
    assert len(list(folder.iterdir())) == 1 + stays


def test_folder_that_cannot_be_written_is_said(folder: Path) -> None:
    folder.write_text("a file")

    with pytest.raises(Unfit, match="could not be stored"):
        store(b"one")


def test_shop_serves_what_was_stored_and_nothing_else(folder: Path, settings: Any) -> None:
    address = store(made_anew(picture()))
    (folder / "secret.webp").write_bytes(b"x")
    (folder / ("a" * 32 + ".html")).write_bytes(b"x")

    page = Client().get(address)

    assert (page.status_code, page["Content-Type"]) == (200, "image/webp")
    assert page["Cache-Control"] == "public, max-age=31536000, immutable"
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    for path in ("secret.webp", "a" * 32 + ".html", "b" * 32 + ".webp", "..%2fmedia", ""):
        assert Client().get(f"/media/{path}").status_code == 404
    settings.MEDIA_ROOT = ""
    assert find(address.removeprefix("/media/")) is None
    assert Client().get(address).status_code == 404
