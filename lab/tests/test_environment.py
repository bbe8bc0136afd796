import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dotenv import dotenv_values

from lab.run import environment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "charites").mkdir()
    (tmp_path / "charites" / "settings.py").write_text((environment.ROOT / "charites" / "settings.py").read_text())
    (tmp_path / "var" / "split").mkdir(parents=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "VAR", tmp_path / "var")
    return tmp_path


def test_demo_environment_without_any_choice_is_the_demo(checkout):
    values = environment.demo_environment({"PATH": "/bin"})

    assert values["DATABASE_URL"] == f"sqlite:///{checkout}/var/charites.sqlite3"
    assert (values["DEBUG"], values["DEMO"], values["ORDER_PAY_TIMEOUT_SECONDS"]) == ("true", "true", "60")
    assert values["CELERY_BROKER_URL"] == values["REDIS_URL"][:-1] + "1"
    assert len(urlsplit(values["REDIS_URL"]).password or "") >= 32
    assert "PATH" not in values


def test_demo_environment_prefers_dotenv_and_the_real_environment_most(checkout):
    (checkout / ".env").write_text("HTTP_PORT=8010\nSTOCK_STRATEGY=pessimistic\n")

    values = environment.demo_environment({"HTTP_PORT": "8020", "REDIS_URL": "redis://cache/3"})

    assert (values["HTTP_PORT"], values["STOCK_STRATEGY"]) == ("8020", "pessimistic")
    assert (values["REDIS_URL"], values["CELERY_BROKER_URL"]) == ("redis://cache/3", "redis://cache/3")


def test_demo_environment_keeps_the_secrets_of_the_last_run(checkout):
    first = environment.demo_environment({})
    environment.write(first, checkout / "var" / "env")

    second = environment.demo_environment({})

    assert len(first["SECRET_KEY"]) >= 50
    assert first["SECRET_KEY"] != first["PAYMENT_SECRET"]
    assert (second["SECRET_KEY"], second["PAYMENT_SECRET"]) == (first["SECRET_KEY"], first["PAYMENT_SECRET"])


def test_split_environments_are_three_services_that_share_secrets_and_redis(checkout):
    services = environment.split_environments({"PATH": "/bin"})

    assert {name: values["APPS"] for name, values in services.items()} == {
        "orders": "orders",
        "goods": "goods",
        "stock": "stock",
    }
    for name in ("HTTP_PORT", "GRPC_PORT", "DATABASE_URL", "CELERY_QUEUE", "METRICS_DIR"):
        assert len({values[name] for values in services.values()}) == 3
    for name in ("SECRET_KEY", "PAYMENT_SECRET", "REDIS_URL", "CELERY_BROKER_URL", "DEMO"):
        assert len({values[name] for values in services.values()}) == 1
    assert services["orders"]["GOODS_ENDPOINT"] == "127.0.0.1:8090"
    assert services["orders"]["STOCK_ENDPOINT"] == "127.0.0.1:8092"
    assert services["stock"]["DATABASE_URL"] == f"sqlite:///{checkout}/var/split/stock.sqlite3"
    assert "STOCK_ENDPOINT" not in services["goods"]


def test_split_environments_choose_ports_and_databases_for_one_service(checkout):
    choice = {"STOCK_GRPC_PORT": "9092", "STOCK_DATABASE_URL": "mysql://host/stock", "STOCK_STRATEGY": "pessimistic"}

    services = environment.split_environments(choice)

    assert services["stock"]["DATABASE_URL"] == "mysql://host/stock"
    assert services["orders"]["STOCK_ENDPOINT"] == "127.0.0.1:9092"
    assert {values["STOCK_STRATEGY"] for values in services.values()} == {"pessimistic"}


def test_split_environments_leave_alone_what_dotenv_says_of_the_whole_shop(checkout):
    (checkout / ".env").write_text("HTTP_PORT=8010\nDATABASE_URL=mysql://host/whole\nCURRENCY=EUR\n")

    services = environment.split_environments({})

    assert [values["HTTP_PORT"] for values in services.values()] == ["8000", "8001", "8002"]
    assert {values["DATABASE_URL"].partition(":")[0] for values in services.values()} == {"sqlite"}
    assert {values["CURRENCY"] for values in services.values()} == {"EUR"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("HTTP_PORT", "Each service has its own HTTP_PORT: choose it for one, as in ORDERS_HTTP_PORT."),
        ("APPS", "Each service has its own APPS: leave it out."),
    ],
)
def test_split_environments_refuse_what_cannot_be_for_all(checkout, name, sentence):
    with pytest.raises(environment.NotForServices) as refusal:
        environment.split_environments({name: "1"})

    assert str(refusal.value) == sentence


def test_split_environments_keep_the_secrets_of_the_last_run(checkout):
    first = environment.split_environments({})
    environment.write(first["orders"], checkout / "var" / "split" / "orders.env")

    second = environment.split_environments({})

    assert second["stock"]["SECRET_KEY"] == first["stock"]["SECRET_KEY"]


def test_write_keeps_strange_values_and_other_people_out(checkout):
    values = {"CURRENCY": "it's $HOME \\ #1", "DEBUG": "true"}

    file = checkout / "var" / "env"

    environment.write(values, file)

    assert dotenv_values(file, interpolate=False) == values
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
