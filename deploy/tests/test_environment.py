import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy import environment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "charites").mkdir()
    (tmp_path / "charites" / "settings.py").write_text((environment.ROOT / "charites" / "settings.py").read_text())
    (tmp_path / "var").mkdir()
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "VAR", tmp_path / "var")
    monkeypatch.setattr(environment, "ENV_FILE", tmp_path / "var" / "env")
    return tmp_path


def test_demo_environment_without_any_choice_is_the_demo(checkout):
    values = environment.demo_environment({"PATH": "/bin"})

    assert values["DATABASE_URL"] == f"sqlite:///{checkout}/var/charites.sqlite3"
    assert (values["DEBUG"], values["DEMO"], values["ORDER_PAY_TIMEOUT_SECONDS"]) == ("true", "true", "60")
    assert values["CELERY_BROKER_URL"] == values["REDIS_URL"][:-1] + "1"
    assert "PATH" not in values


def test_demo_environment_prefers_dotenv_and_the_real_environment_most(checkout):
    (checkout / ".env").write_text("HTTP_PORT=8010\nSTOCK_STRATEGY=pessimistic\n")

    values = environment.demo_environment({"HTTP_PORT": "8020", "REDIS_URL": "redis://cache/3"})

    assert (values["HTTP_PORT"], values["STOCK_STRATEGY"]) == ("8020", "pessimistic")
    assert (values["REDIS_URL"], values["CELERY_BROKER_URL"]) == ("redis://cache/3", "redis://cache/3")


def test_demo_environment_keeps_the_secrets_of_the_last_run(checkout):
    first = environment.demo_environment({})
    environment.write(first)

    second = environment.demo_environment({})

    assert len(first["SECRET_KEY"]) >= 50
    assert first["SECRET_KEY"] != first["PAYMENT_SECRET"]
    assert (second["SECRET_KEY"], second["PAYMENT_SECRET"]) == (first["SECRET_KEY"], first["PAYMENT_SECRET"])


def test_write_keeps_strange_values_and_other_people_out(checkout):
    values = {"CURRENCY": "it's $HOME \\ #1", "DEBUG": "true"}

    environment.write(values)

    assert dotenv_values(environment.ENV_FILE, interpolate=False) == values
    assert stat.S_IMODE(environment.ENV_FILE.stat().st_mode) == 0o600
