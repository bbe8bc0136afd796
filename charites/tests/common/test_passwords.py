"""Password hashes: how many at once, and that an unknown user costs one, too."""

import threading
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password

from charites.common import passwords
from charites.common.errors import Busy
from charites.common.passwords import BoundedPasswordHasher
from lab.kit.factories import make_user
from lab.kit.interleaving import TIMEOUT_SECONDS, Background


def test_hashes_are_those_of_django() -> None:
    made = BoundedPasswordHasher().encode("charites", "salt", 1)

    assert made == PBKDF2PasswordHasher().encode("charites", "salt", 1)
    assert check_password("charites", made)


def test_so_many_are_made_at_once_and_the_next_waits_no_longer_than_it_may(monkeypatch: Any, settings: Any) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def held(self: Any, *given: Any) -> str:
        begun.release()
        go_on.wait(TIMEOUT_SECONDS)
        return "made"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", held)
    settings.WEB_WAIT_SECONDS = 0.01
    with Background(lambda: make_password("a")), Background(lambda: make_password("b")):
        assert begun.acquire(timeout=TIMEOUT_SECONDS)
        assert begun.acquire(timeout=TIMEOUT_SECONDS)

        with pytest.raises(Busy):
            make_password("c")
        go_on.set()

    assert make_password("c") == "made"  # their turns were given back


def test_bound_is_the_setting() -> None:
    assert passwords.at_work._initial_value == settings.PASSWORD_HASHINGS == 2


@pytest.mark.django_db
@pytest.mark.parametrize("username", ["mei", "gone", "nobody"])
def test_wrong_words_cost_one_hash_whoever_they_are_for(username: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_user("mei")
    gone = make_user("gone")
    gone.is_active = False
    gone.save()
    costs: list[int | None] = []
    encode = BoundedPasswordHasher.encode

    def counted(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        costs.append(iterations or self.iterations)
        return encode(self, password, salt, iterations)

    monkeypatch.setattr(BoundedPasswordHasher, "encode", counted)

    assert authenticate(username=username, password="guess") is None
    assert costs == [1]
