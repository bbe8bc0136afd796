"""A demo shop of its own: its database and its Redis are gone afterwards."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.kit.processes.shop import Shop
from lab.servers import EmbeddedRedis


@contextmanager
def demo_shop(*processes: str) -> Iterator[Shop]:
    """Runs processes over the demo's data, the web server among them. Raises CalledProcessError, AssertionError."""
    with tempfile.TemporaryDirectory(prefix="charites-demo-") as name, EmbeddedRedis() as redis:
        folder = Path(name)
        settings = {
            **{"ENV_FILE": "", "DEBUG": "true", "DEMO": "true", "METRICS_DIR": str(folder / "metrics")},
            **{"SECRET_KEY": secrets.token_hex(32), "PAYMENT_SECRET": secrets.token_hex(32)},
            **{"DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}", "REDIS_URL": redis.url},
            **{"CELERY_BROKER_URL": redis.broker_url, "LOG_LEVEL": "WARNING"},
            **{"MAX_UNPAID_ORDERS": "0", "PLACE_RATE": "0"},  # one buyer orders in every look
        }
        with Shop(folder, {**os.environ, **settings}) as shop:
            for words in (["migrate", "--verbosity", "0"], ["seed", "--orders", "300"]):
                shop.manage(*words).check_returncode()
            shop.start(*processes)
            shop.await_web()
            yield shop
