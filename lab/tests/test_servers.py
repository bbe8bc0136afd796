import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from lab.servers import EmbeddedRedis, MariaDB, RabbitMQ, Redis, Server, ServerFailed

ROOT = Path(__file__).resolve().parents[2]


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
    with EmbeddedRedis() as server, redis.Redis.from_url(server.url, socket_timeout=0.3) as client:
        client.ping()

        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
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


def test_command_gets_the_addresses_and_its_exit_code_is_passed_on():
    code = "import os, sys; print(os.environ['REDIS_URL'], os.environ['CELERY_BROKER_URL']); sys.exit(7)"
    command = [sys.executable, "-m", "lab.servers", "redis", "--", sys.executable, "-c", code]
    if not any(Path(folder, "redis-server").exists() for folder in os.environ["PATH"].split(":")):
        pytest.skip("needs redis-server")

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
        durability = query("SELECT @@log_bin, @@sync_binlog, @@innodb_flush_log_at_trx_commit, @@max_connections")
        query("CREATE TABLE kept (number int)")
        query("INSERT INTO kept VALUES (5)")

        server.kill()
        server.start()

        assert durability == ((1, 1, 1, 500),)
        assert query("SELECT number FROM kept") == ((5,),)


@pytest.mark.servers
def test_rabbitmq_started_again_answers_on_its_port_and_ends_with_its_port_mapper():
    with RabbitMQ() as server:
        server.kill()
        gone = not is_listening(server.port)
        server.start()

        assert gone
        assert is_listening(server.port)
    assert server.mapper is not None
    assert server.mapper.returncode == -signal.SIGKILL
    assert not is_listening(server.mapper_port)


@pytest.mark.servers
def test_redis_uses_the_installed_server():
    with Redis() as server:
        assert Path(server.program()).name in ("redis-server", "valkey-server")
