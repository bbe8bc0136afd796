"""The split form on this machine, in one terminal: `make run-split`.

Goods, stock and orders as three services, each with its own database, web and gRPC server, worker and sweep; one Redis,
in which their keys and queues are apart. ORDERS_HTTP_PORT, STOCK_DATABASE_URL and the like choose for one of them; what
is set without a service's name is for all. Everything that lasts is in var/split/.
"""

import os
import sys

from lab.run.environment import VAR, NotForServices, address, split_environments, sqlite_url
from lab.run.launch import Launch, Plan, shown
from lab.run.shop_service import CannotRun, Service

FOLDER = VAR / "split"
OTHER_PORTS = "ORDERS_HTTP_PORT=8010 ORDERS_GRPC_PORT=8091 and so on, for GOODS and STOCK too"
# Twelve processes share a machine on which nothing but a look is taken.
SIZES = {"WEB_PROCESSES": "1", "WORKER_THREADS": "1"}


def make_plan() -> Plan:
    try:
        environments = split_environments(os.environ)
    except NotForServices as error:
        raise CannotRun(str(error)) from error
    services = [Service(name, values, FOLDER / f"{name}.env") for name, values in environments.items()]
    return Plan(services, welcome(services), SIZES)


def welcome(services: list[Service]) -> str:
    orders, *others = services
    rows = [f"  {one.name:<8}{one.web_address}   gRPC {address(one.values, 'GRPC')}\n" for one in services]
    databases = " ".join(f"--with {other.name}={database_of(other)}" for other in others)
    timeout = orders.values["ORDER_PAY_TIMEOUT_SECONDS"]
    return (
        f"\n{''.join(rows)}"
        f"  login   {orders.login}\n"
        "\n  In another terminal, a command in the environment of a service; here, the audit of all three databases:\n"
        f"  ENV_FILE={shown(orders.file)} .venv/bin/python manage.py audit {databases}\n"
        f"\n  Unpaid orders close after {timeout} s. Logs are in {shown(FOLDER)}/log. Ctrl-C stops all of it.\n"
    )


def database_of(service: Service) -> str:
    """Returns the address of a database for a command line; one that somebody chose may hold a password."""
    own = FOLDER / f"{service.name}.sqlite3"
    if service.values["DATABASE_URL"] == sqlite_url(own):
        return f"sqlite:///{shown(own)}"
    return f'"${service.setting("DATABASE_URL")}"'


if __name__ == "__main__":
    sys.exit(Launch("make run-split", FOLDER, OTHER_PORTS).main(make_plan))
