"""How long locks are held and waited for here, and what a Redis server says of its clients."""

import redis

from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until
from stock.locks import key_of

LEASE = 60.0
FOR_EVER = 10.0 * TIMEOUT_SECONDS  # longer than any wait of these tests


def forget(client: redis.Redis) -> None:
    for key in client.scan_iter(key_of("*")):
        client.delete(key)


def await_waiters(client: redis.Redis, number: int) -> None:
    """Waits until that many clients sleep in BLPOP."""

    def asleep() -> bool:
        return sum(info["cmd"] == "blpop" and "b" in info["flags"] for info in client.client_list()) >= number

    wait_until(asleep, seconds=TIMEOUT_SECONDS, what=f"{number} waiters")


class Noise:
    """Counts the commands that a server carries out, by name, as the server counts them."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        client.config_resetstat()

    def calls(self) -> dict[str, int]:
        stats = self._client.info("commandstats")
        names = {"set", "blpop", "evalsha", "eval"}
        return {name: stats[f"cmdstat_{name}"]["calls"] for name in names if f"cmdstat_{name}" in stats}
