"""Which broker REMOTE_BROKER_URL names, and that RocketMQ's client is wanted only where it does."""

import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from messaging.broker import chosen
from messaging.broker.rabbitmq import RabbitMQ
from messaging.broker.sending import Sender

MISSING = "REMOTE_BROKER_URL: RocketMQ's client is not there: pip install -r requirements-rocketmq.txt."


@pytest.fixture(autouse=True)
def _not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("rocketmq", "messaging.broker.rocketmq"))]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("url", ["", "amqp://rabbit//", "amqps://rabbit//"])
def test_rabbitmq_is_chosen_without_the_client_of_the_other(settings, monkeypatch, url):
    monkeypatch.setitem(sys.modules, "rocketmq", None)
    settings.REMOTE_BROKER_URL, settings.MEETS_AT_BROKER = url, True

    assert isinstance(chosen.connection(), RabbitMQ)
    assert list(chosen.unusable_client()) == []


def test_rocketmq_without_its_client_is_told_at_the_start(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocketmq", None)
    settings.REMOTE_BROKER_URL, settings.MEETS_AT_BROKER = "rocketmq://rocket:8081", True

    assert list(chosen.unusable_client()) == [MISSING]
    with pytest.raises(ImproperlyConfigured, match=MISSING):
        Sender()

    settings.MEETS_AT_BROKER = False  # a process that is all of the services
    assert list(chosen.unusable_client()) == []


def test_client_that_cannot_write_its_log_is_told_at_the_start(settings, monkeypatch, tmp_path: Path):
    (tmp_path / "rocketmq.py").write_text("raise PermissionError(13, 'Permission denied', '/nowhere/logs')\n")
    monkeypatch.syspath_prepend(tmp_path)
    settings.REMOTE_BROKER_URL, settings.MEETS_AT_BROKER = "rocketmq://rocket:8081", True

    (told,) = chosen.unusable_client()

    assert "'/nowhere/logs'" in told
    assert told.endswith("Set HOME to another one.")
