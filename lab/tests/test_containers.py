"""compose.yaml and the Dockerfile say what Procfile and settings say. Nothing here builds or runs a container."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from honcho.environ import parse_procfile

from lab.generate.document_settings import settings
from lab.supply.dockerignore import ignored

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROCESSES: dict[str, str] = parse_procfile((ROOT / "Procfile").read_text()).processes


@pytest.mark.parametrize("name", PROCESSES)
def test_compose_runs_the_commands_of_the_procfile(name: str) -> None:
    assert SERVICES[name]["command"] == "sh -c '" + PROCESSES[name].replace("$", "$$") + "'"


def test_compose_starts_again_what_has_ended() -> None:
    policies = {name: service["restart"] for name, service in SERVICES.items()}

    assert policies.pop("migrate") == "no"
    assert set(policies.values()) == {"unless-stopped"}


def test_image_alone_runs_the_web_process_of_the_procfile() -> None:
    (command,) = re.findall(r"^CMD \[(.*)\]$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    words = re.findall(r'"([^"]*)"', PROCESSES["web"])
    expected = PROCESSES["web"].removeprefix("python -m charites.start && exec ")  # each web process looks, too
    for word in words:
        default = {"$HTTP_HOST": "0.0.0.0", "$HTTP_PORT": "8000"}.get(word) or word.split(":-")[1].rstrip("}")
        expected = expected.replace(f'"{word}"', default)

    assert re.findall(r'"([^"]*)"', command) == expected.split()


def test_compose_sets_only_settings_that_exist() -> None:
    known = {setting.name for setting in settings()}

    assert [name for name in COMPOSE["x-shop"]["environment"] if name not in known] == []


def test_compose_can_be_given_every_setting() -> None:
    of_the_image = {"ENV_FILE", "DEBUG", "DEMO", "STATIC_ROOT", "METRICS_DIR"}
    known = {setting.name for setting in settings()} - of_the_image

    assert known - set(COMPOSE["x-shop"]["environment"]) == set()


def names_in(node: yaml.Node) -> Iterator[list[str]]:
    """The names of each mapping in a document."""
    if isinstance(node, yaml.MappingNode):
        yield [name.value for name, _value in node.value]
        for _name, value in node.value:
            yield from names_in(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from names_in(value)


def test_compose_says_nothing_twice() -> None:
    """Docker refuses such a file; the library that reads it here takes it without a word."""
    document = yaml.compose((ROOT / "compose.yaml").read_text())

    assert [name for names in names_in(document) for name, times in Counter(names).items() if times > 1] == []


def test_compose_gives_redis_a_password() -> None:
    assert '--requirepass "$$REDISCLI_AUTH"' in SERVICES["redis"]["command"]
    assert SERVICES["redis"]["environment"]["REDISCLI_AUTH"].startswith("${REDIS_PASSWORD:?")
    assert "://:${REDIS_PASSWORD:?" in COMPOSE["x-shop"]["environment"]["REDIS_URL"]


def test_image_sets_only_settings_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    named = re.findall(r"(\w+)=", " ".join(re.findall(r"^ENV (.*)$", text, re.MULTILINE)))

    known = {setting.name for setting in settings()} | {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert "HTTP_HOST" in named
    assert [name for name in named if name not in known] == []


def test_compose_publishes_ports_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published == ["127.0.0.1:8000:8000", "127.0.0.1:8081:8081"]


def test_compose_has_no_secret_and_starts_without_none() -> None:
    environment = COMPOSE["x-shop"]["environment"] | SERVICES["mariadb"]["environment"]
    environment |= SERVICES["rabbitmq"]["environment"] | SERVICES["redis"]["environment"]
    secrets = (
        "SECRET_KEY",
        "PAYMENT_SECRET",
        "MARIADB_PASSWORD",
        "RABBITMQ_DEFAULT_PASS",
        "DATABASE_URL",
        "REDISCLI_AUTH",
    )

    assert [
        name for name in (*secrets, "CELERY_BROKER_URL", "REDIS_URL") if not re.search(r"\$\{\w+:\?", environment[name])
    ] == []


def test_compose_mounts_files_that_are_there() -> None:
    mounted = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]

    files = [ROOT / path for path in mounted if path.startswith("./")]
    assert sorted(path.name for path in files if path.is_file()) == ["mariadb.cnf", "rabbitmq.conf", "redis.conf"]


@pytest.mark.parametrize(
    "name",
    ["mariadb.cnf", "rabbitmq.conf", "rabbitmq-cluster.conf", "redis.conf", "redis-pair.conf", "redis-sentinel.conf"],
)
def test_every_block_of_settings_says_why(name: str) -> None:
    blocks = (ROOT / "deploy" / name).read_text().replace("[mysqld]\n", "").strip().split("\n\n")

    assert [block for block in blocks if not block.startswith("#")] == []


@pytest.mark.parametrize("name", SERVICES)
def test_containers_write_nowhere_gain_no_rights_and_are_bounded(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cap_add", "privileged"} & service.keys() == set()
    assert all(service[bound] for bound in ("mem_limit", "cpus", "pids_limit"))
    assert all(":size=" in mount for mount in service["tmpfs"])


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_runs_as_root(name: str) -> None:
    image = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    user = re.findall(r"^USER (.*)$", image, re.MULTILINE)[-1:]

    assert SERVICES[name].get("user", "root") != "root" or (SERVICES[name]["image"] == "charites" and user == ["10001"])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the image is made of."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("image") / "charites", ignore=ignored(ROOT))


def manage(image: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the image's files, with the settings that a container has to be given."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    environment |= {
        "ENV_FILE": "",
        "SECRET_KEY": "of-the-image-" * 4,
        "PAYMENT_SECRET": "of-the-image-" * 4,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    var = image.parent  # tests of one image share it, and none writes into it
    environment |= {"DATABASE_URL": f"sqlite:///{var}/var.sqlite3", "STATIC_ROOT": str(var / "static")}
    environment |= {"METRICS_DIR": str(var / "metrics")}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True)


def test_image_holds_the_shop_without_instruments_and_tests(image: Path) -> None:
    assert sorted(path.name for path in image.iterdir() if path.is_dir()) == [
        *("charites", "fixtures", "goods", "live", "messaging", "orders", "stock")
    ]
    assert {"manage.py", "requirements.lock"} <= {path.name for path in image.iterdir() if path.is_file()}
    assert [path for path in image.rglob("*") if path.name in ("tests", "conftest.py", ".env")] == []


@pytest.mark.long
@pytest.mark.slow
def test_image_migrates_and_collects_its_files(image: Path) -> None:
    migrated = manage(image, "migrate", "--verbosity", "0")
    collected = manage(image, "collectstatic", "--noinput", "--verbosity", "0")

    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert (collected.returncode, collected.stderr) == (0, "")
    assert (image.parent / "static" / "catalogue" / "goods-1-1.svg").exists()


@pytest.mark.slow
def test_image_has_no_commands_of_the_lab(image: Path) -> None:
    commands = manage(image, "help", "--commands").stdout.split()

    assert {"audit", "call", "grpcserver", "sweep"} <= set(commands)
    assert {"seed", "tour", "stock_race", "order_faults"} & set(commands) == set()
