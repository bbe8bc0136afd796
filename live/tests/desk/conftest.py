from pathlib import Path
from typing import Any

import pytest

from goods.models import Room
from lab.kit.factories import make_goods, make_room


@pytest.fixture
def room(db: None) -> None:
    """Room 1 has products 1, five pieces and pinned, and 2, without stock; product 3 is in no room."""
    make_goods(1, stock=5)
    make_goods(2)
    make_goods(3, stock=7)
    make_room(1, goods_ids=[1, 2])
    Room.objects.update(current_goods_id=1)


@pytest.fixture
def instruments(settings: Any, tmp_path: Path) -> None:
    """A small part of the page in the place of the lab's own, whose addresses are there in a demo's process alone."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "desk.html").write_text("<p>instruments of {{ shelf.room.title }}</p>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
