import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from hpack import Decoder

from lab.servers import EmbeddedRedis, MariaDB, PortTaken, RabbitMQ, Redis, Server, ServerFailed, ShopHAProxy
from lab.servers.haproxy import BY_PRODUCT
from lab.servers.ports import GivenPorts, ephemeral_ports, free_port, given_ports, ports_for_servers, still_free
from lab.servers.private_server import find_program

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.once


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_server_killed_and_started_again_has_its_port_and_its_data():
    with EmbeddedRedis() as server:
        client = redis.Redis.from_url(server.url)
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 5000)

        server.kill()
        gone = not is_listening(server.port)
        server.start()

        assert gone
        assert client.get("kept") == b"yes"
        client.close()


def test_server_paused_answers_only_after_it_is_resumed():
    with EmbeddedRedis() as server, redis.Redis.from_url(server.url) as client:
        server.pause()
        with redis.Redis.from_url(server.url, socket_timeout=0.3) as hasty, pytest.raises(redis.TimeoutError):
            hasty.ping()
        server.resume()

        assert client.ping()


def test_server_at_the_end_leaves_no_process_and_no_folder():
    with EmbeddedRedis() as server:
        pid = server.process.pid
        server.pause()

    assert not server.folder.exists()
    assert not is_listening(server.port)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_server_that_does_not_start_says_why_and_leaves_no_folder():
    class Broken(Server):
        def prepare(self) -> None: ...

        def command(self) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit('no disk')"]

    server = Broken()

    with pytest.raises(ServerFailed, match="ended while starting:\nno disk"), server:
        pass

    assert not server.folder.exists()


def listening(port: int) -> socket.socket:
    """Somebody else, who came first."""
    return socket.create_server(("127.0.0.1", port))


def test_redis_with_a_password_answers_nobody_else():
    server = EmbeddedRedis()
    server.password = "of-this-test"

    with server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        with redis.Redis.from_url(server.url.replace(f":{server.password}@", "")) as stranger:
            pytest.raises(redis.AuthenticationError, stranger.ping)


@pytest.mark.parametrize("kind", [EmbeddedRedis, pytest.param(Redis, marks=pytest.mark.servers)])
def test_redis_that_finds_its_port_taken_comes_up_on_another(kind: type[Redis]):
    server = kind()
    first = server.port
    with listening(first), server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert server.port != first


def test_server_that_finds_every_port_taken_gives_up_after_five():
    class Unlucky(Server):
        tried = []

        def command(self) -> list[str]:
            self.tried.append(self.port)
            return [sys.executable, "-c", "raise SystemExit('bind: Address already in use')"]

    with pytest.raises(PortTaken, match="ended while starting:\nbind: Address already in use"), Unlucky():
        pass

    assert len(set(Unlucky.tried)) == len(Unlucky.tried) == 5


def test_server_started_again_keeps_its_port_or_fails():
    """Others know its address by now."""
    with EmbeddedRedis() as server:
        server.kill()
        with listening(server.port), pytest.raises(PortTaken):
            server.start()


def test_ports_given_side_by_side_differ_until_they_are_given_back(tmp_path):
    first, second = GivenPorts(tmp_path / "given"), GivenPorts(tmp_path / "given")

    assert first.claim(20_000)
    assert not first.claim(20_000)
    assert second.claim(20_001)
    first.give_back(20_000)
    assert first.claim(20_000)


def test_port_given_to_a_process_is_nobody_elses_until_it_ends():
    code = "import sys; from lab.servers.ports import given_ports; sys.exit(given_ports.claim(int(sys.argv[1])))"
    port = free_port()

    def is_given() -> bool:
        return subprocess.run([sys.executable, "-c", code, str(port)], cwd=ROOT).returncode == 1

    meanwhile = is_given()
    given_ports.give_back(port)

    assert (meanwhile, is_given(), is_given()) == (False, True, True)


def test_port_that_is_taken_before_anybody_was_told_is_changed():
    port = free_port()
    unchanged = still_free(port)
    with listening(port):
        changed = still_free(port)

    assert unchanged == port
    assert changed != port


@pytest.mark.parametrize(
    ("ephemeral", "expected"),
    [
        (range(32_768, 61_000), range(10_000, 32_768)),
        (range(49_152, 65_536), range(10_000, 32_768)),
        (range(9_000, 40_000), range(40_000, 65_536)),
        (range(1_024, 65_536), range(20_000, 32_000)),
    ],
)
def test_ports_for_servers_are_not_those_of_outgoing_connections(ephemeral: range, expected: range):
    assert ports_for_servers(ephemeral) == expected
    assert ephemeral_ports().stop > ephemeral_ports().start


@pytest.mark.servers
def test_command_gets_the_addresses_and_its_exit_code_is_passed_on():
    code = "import os, sys; print(os.environ['REDIS_URL'], os.environ['CELERY_BROKER_URL']); sys.exit(7)"
    command = [sys.executable, "-m", "lab.servers", "redis", "--", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    cache, broker = done.stdout.split()
    assert done.returncode == 7
    assert (cache[-2:], broker[-2:]) == ("/0", "/1")
    assert not is_listening(int(cache.split(":")[2][:-2]))


def test_command_line_without_a_command_explains_itself():
    done = subprocess.run([sys.executable, "-m", "lab.servers", "redis"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == "usage: python -m lab.servers [mariadb|redis|rabbitmq]... -- command\n"


@pytest.mark.servers
def test_mariadb_is_as_durable_as_production_and_survives_a_kill():
    import MySQLdb  # noqa: PLC0415 (only where the production set is installed)

    def query(statement: str) -> tuple[tuple[object, ...], ...]:
        connection = MySQLdb.connect(host="127.0.0.1", port=server.port, user="root", db="charites")
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall()
            connection.commit()
        return rows

    with MariaDB() as server:
        ((temporary,),) = query("SELECT @@tmpdir")
        durability = query("SELECT @@log_bin, @@sync_binlog, @@innodb_flush_log_at_trx_commit, @@max_connections")
        query("CREATE TABLE kept (number int)")
        query("INSERT INTO kept VALUES (5)")

        server.kill()
        server.start()

        assert durability == ((1, 1, 1, 500),)
        assert Path(temporary).parent == server.folder  # another server's start would remove its temporary tables
        assert query("SELECT number FROM kept") == ((5,),)


@pytest.mark.servers
def test_mariadb_that_finds_its_port_taken_comes_up_on_another():
    server = MariaDB()
    first = server.port
    with listening(first), server:
        assert server.port != first
        assert is_listening(server.port)


@pytest.mark.long
@pytest.mark.servers
def test_rabbitmq_that_finds_one_port_after_the_other_taken_comes_up_on_others():
    with contextlib.ExitStack() as others:

        class Unlucky(RabbitMQ):
            """Its mapper's port is taken, then that for other nodes, then that for clients."""

            names = ["port", "distribution_port", "mapper_port"]

            def start(self) -> None:
                if self.names:
                    others.enter_context(listening(getattr(self, self.names.pop())))
                super().start()

        with Unlucky() as server:
            assert server.names == []
            assert is_listening(server.port)


@pytest.mark.long
@pytest.mark.servers
def test_rabbitmq_started_again_answers_on_its_port_and_ends_with_its_port_mapper():
    with RabbitMQ() as server:
        server.kill()
        gone = not is_listening(server.port)
        server.start()

        assert gone
        assert is_listening(server.port)
        mapper = server.mapper
    assert mapper is not None
    assert mapper.returncode == -signal.SIGKILL
    assert not is_listening(server.mapper_port)


@pytest.mark.servers
def test_redis_uses_the_installed_server():
    with Redis() as server:
        assert Path(server.program()).name in ("redis-server", "valkey-server")


@pytest.mark.servers
@pytest.mark.parametrize("is_by_product", [False, True])
def test_haproxy_takes_the_file_of_the_shop_as_it_stands_with_a_certificate(
    is_by_product: bool, tmp_path: Path
) -> None:
    subject = ["-subj", "/CN=shop.example", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "shop.pem").write_text((tmp_path / "cert").read_text() + (tmp_path / "key").read_text())
    text = ShopHAProxy.file.read_text().replace("/etc/haproxy/shop.pem", str(tmp_path / "shop.pem"))
    if is_by_product:
        assert BY_PRODUCT in text
        text = text.replace(BY_PRODUCT, BY_PRODUCT.removeprefix("# "))
    (tmp_path / "haproxy.cfg").write_text(text)

    done = subprocess.run(
        [find_program("haproxy"), "-c", "-f", str(tmp_path / "haproxy.cfg")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr


def test_haproxy_asks_for_health_in_frames_that_say_what_the_file_says() -> None:
    (sent,) = re.findall(r"send-binary ([0-9a-f]+)", ShopHAProxy.file.read_text())
    preface, settings, head = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 9
    frames = bytes.fromhex(sent).removeprefix(preface + settings)
    length = int.from_bytes(frames[:3], "big")

    headers = dict(Decoder().decode(frames[head : head + length]))

    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert frames[head + length :] == bytes([0, 0, 5, 0, 1, 0, 0, 0, 1]) + bytes(5)
