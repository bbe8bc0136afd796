"""Private servers for tests, races and measurements, on free loopback ports: MariaDB, Redis, RabbitMQ, nginx, HAProxy
and a name server.

    python -m lab.servers mariadb redis -- python manage.py check

runs a command with DATABASE_URL, REDIS_URL and CELERY_BROKER_URL pointing at servers that live in a temporary folder
and end with it. Tests use the classes:

    with MariaDB() as database:
        database.kill()     # or pause(), stop()
        database.start()    # the same port, the same data
"""

from lab.servers.command_line import run
from lab.servers.dns import DNS
from lab.servers.haproxy import HAProxy, ShopHAProxy
from lab.servers.mariadb import MariaDB
from lab.servers.mariadb_pair import MariaDBPair
from lab.servers.nginx import Nginx
from lab.servers.ports import LOOPBACK, free_port, still_free
from lab.servers.private_server import PortTaken, Server, ServerFailed
from lab.servers.rabbitmq import RabbitMQ
from lab.servers.rabbitmq_cluster import RabbitMQCluster
from lab.servers.redis import EmbeddedRedis, EncryptedRedis, Redis, RedisTls
from lab.servers.redis_sentinel import RedisSentinel

__all__ = [
    "DNS",
    "LOOPBACK",
    "EmbeddedRedis",
    "EncryptedRedis",
    "HAProxy",
    "MariaDB",
    "MariaDBPair",
    "Nginx",
    "PortTaken",
    "RabbitMQ",
    "RabbitMQCluster",
    "Redis",
    "RedisSentinel",
    "RedisTls",
    "Server",
    "ServerFailed",
    "ShopHAProxy",
    "free_port",
    "run",
    "still_free",
]
