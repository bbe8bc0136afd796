"""gRPC servers as processes."""

from lab.kit.processes.shop import Shop, wait_until

WAIT_SECONDS = 120.0  # a bound for busy machines, no measurement


def start(shop: Shop, *names: str) -> None:
    """Starts gRPC servers and waits until they listen."""
    shop.start(*names)
    for name in names:
        wait_until(lambda name=name: "gRPC on" in shop.log(name), seconds=WAIT_SECONDS, what=f"{name} listens")
