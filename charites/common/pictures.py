"""Pictures that staff upload: made anew from what was sent, so that nothing else of it is kept, under a name that
nobody guesses. A folder holds them, MEDIA_ROOT, and nothing takes one away that a row has named: orders keep the
addresses of their time."""

import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from charites.common.errors import Kind, ServiceError

KINDS = ("JPEG", "PNG", "WEBP")  # SVG is a program
ACCEPTED = "image/jpeg,image/png,image/webp"
MOST_PIXELS = 12_000_000  # four bytes each, while it is read
JPEG = b"\xff\xd8"  # begins one, also where the library calls it by another name: several pictures in one file
MOST_SCANS = 100  # of a JPEG, each of which is decoded over all of its pixels; cameras and programs write ten
SCAN = b"\xff\xda"  # begins one of those; what is compressed holds none
MOST_SIDE = 1600
QUALITY = 82
NAME = re.compile(r"[0-9a-f]{32}\.webp")


class Unfit(Exception):
    """No picture to be kept; the text is for whoever sent it."""


def may_upload() -> bool:
    return bool(settings.MEDIA_ROOT)


def made_anew(content: bytes) -> bytes:
    """Returns the picture as WebP, upright, with sides of MOST_SIDE at most, without what cameras and others write
    beside it. Raises Unfit."""
    too_large = _("This picture has too many pixels: %(most)s million at most.") % {"most": MOST_PIXELS // 10**6}
    try:
        picture = Image.open(io.BytesIO(content), formats=KINDS)
    except Image.DecompressionBombError as error:
        raise Unfit(too_large) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise Unfit(_("This is no picture in JPEG, PNG or WebP.")) from error
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise Unfit(too_large)
    if content.startswith(JPEG) and content.count(SCAN) > MOST_SCANS:
        raise Unfit(_("This picture is stored in more than %(most)s steps. Save it anew.") % {"most": MOST_SCANS})
    try:
        picture.load()
        upright = turned(picture)
        plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except Exception as error:  # whatever is wrong in it: the library raises what it stumbles over
        raise Unfit(_("This picture cannot be read.")) from error
    plain.thumbnail((MOST_SIDE, MOST_SIDE))
    plain.info.clear()
    file = io.BytesIO()
    plain.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def turned(picture: Image.Image) -> Image.Image:
    """Upright, where it can be read how the camera was held."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # whatever is wrong in it: that is not kept, nor is it what people see
        return picture


def store(picture: bytes) -> str:
    """Writes what `made_anew` has made, and returns its address. Raises Unfit when it cannot be written."""
    name = f"{secrets.token_hex(16)}.webp"
    folder = Path(settings.MEDIA_ROOT)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{name}"  # nobody is shown half of it
        beside.write_bytes(picture)
        os.replace(beside, folder / name)
    except OSError as error:
        raise Unfit(_("The picture could not be stored.")) from error
    return f"{settings.MEDIA_URL}{name}"


@contextmanager
def unless_refused(address: str) -> Iterator[None]:
    """Around a service that names a picture, if one was stored (else the address is empty), in a row. Takes the picture
    away again where the service refuses: nobody would find it. Where nobody knows how it ended, it stays."""
    try:
        yield
    except (ServiceError, IntegrityError) as error:
        if address and getattr(error, "kind", None) is not Kind.UNKNOWN:
            with suppress(OSError):
                path_of(address).unlink()
        raise


def path_of(address: str) -> Path:
    """Where a picture with this address of ours lies."""
    return Path(settings.MEDIA_ROOT) / address.removeprefix(settings.MEDIA_URL)


def find(name: str) -> bytes | None:
    """Returns a picture that was stored, or None."""
    if not (may_upload() and NAME.fullmatch(name)):
        return None
    try:
        return (Path(settings.MEDIA_ROOT) / name).read_bytes()
    except FileNotFoundError:
        return None
