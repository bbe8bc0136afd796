from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kit.demo_addresses import demo_addresses
from lab.web import small_race


@pytest.fixture
def demo() -> Iterator[None]:
    with demo_addresses():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the races of this test are."""
    monkeypatch.setattr(small_race, "FOLDER", tmp_path / "race")
    return tmp_path / "race"
