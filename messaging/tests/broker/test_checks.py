"""What a service that meets others at a broker looks at before it starts."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from messaging.apps import unsigned, unusable_tls


@pytest.fixture(autouse=True)
def _at_a_broker(settings):
    settings.APPS, settings.MEETS_AT_BROKER = ["stock"], True


def verify_only(settings) -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    settings.TOKEN_PUBLIC_KEYS = [f"customer+service:orders={public.decode()}"]


def test_service_that_can_sign_nothing_does_not_start_and_is_told_what_it_lacks(settings):
    assert list(unsigned()) == []

    verify_only(settings)

    (told,) = unsigned()
    assert told.startswith("REMOTE_BROKER_URL: ")
    assert told.endswith("TOKEN_PUBLIC_KEYS: service:stock=...")


def test_service_that_is_called_need_not_sign(settings):
    verify_only(settings)
    settings.MEETS_AT_BROKER = False

    assert list(unsigned()) == []


def test_files_of_tls_that_are_not_there_are_told(settings, tmp_path: Path):
    assert list(unusable_tls()) == []

    settings.REMOTE_TLS_CA = str(tmp_path / "nowhere.pem")

    (told,) = unusable_tls()
    assert "Cannot read" in told
    settings.APPS = ["orders"]  # whose calls have said so
    assert list(unusable_tls()) == []
