"""Writes `.env.example` and `docs/settings.md` from settings.py and the meanings below; `--check` only compares.

Names and defaults come from the code, so they cannot be wrong. A setting without a meaning is an error.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

from charites import environment

ROOT = Path(__file__).resolve().parents[2]

MEANINGS = {
    "ENV_FILE": "File with settings, read instead of `.env` and `var/env`; empty: only the real environment counts.",
    "DEBUG": "Development: readable logs, error pages, static files from where they are. `make run` turns it on.",
    "DEMO": (
        "Well-known tokens, for callers on this machine alone, and the sandbox payment provider; on loopback addresses "
        "only. `make run` turns it on."
    ),
    "HTTP_HOST": "Address that the web server listens on.",
    "HTTP_PORT": "Port of the web server.",
    "GRPC_HOST": "Address that the gRPC server listens on.",
    "GRPC_PORT": "Port of the gRPC server.",
    "SECRET_KEY": "Signs tokens and sessions. In DEBUG a process that has none makes up its own.",
    "SECRET_KEY_FALLBACKS": "Former secret keys that are still accepted, separated by commas.",
    "ALLOWED_HOSTS": "Host names that the web server answers to, separated by commas.",
    "CSRF_TRUSTED_ORIGINS": "Origins (`https://shop.example`) that may post forms to the admin, separated by commas.",
    "CORS_ALLOWED_ORIGINS": "Origins whose pages may call `/api/` from a browser (CORS), separated by commas.",
    "PUBLIC_PARTS": (
        "What everybody sees though buyers need not: `metrics` (/metrics), `readiness` (each part by name in /readyz "
        "and /statusz), `docs` (/api/docs and /api/schema), `reflection` (of gRPC)."
    ),
    "OPERATORS_TOKEN": (
        "Whoever sends it as `Authorization: Bearer` sees metrics, readiness and docs that are not for everybody."
    ),
    "APPS": (
        "Which of `goods`, `stock` and `orders` this process serves, separated by commas; fewer than all is the split "
        "form, in which each service has a database of its own."
    ),
    "GOODS_ENDPOINT": "Where the goods service is when it is not in APPS: `ipv4:a:1,b:2` or `dns:///host:port`.",
    "STOCK_ENDPOINT": "Where the stock service is when it is not in APPS: `ipv4:a:1,b:2` or `dns:///host:port`.",
    "REMOTE_TLS_CA": (
        "Certificate of the authority (PEM file) that GOODS_ENDPOINT and STOCK_ENDPOINT are checked against; empty: "
        "clear text. With it, use their names: `dns:///host:port`. REMOTE_BROKER_URL with `amqps://` is checked "
        "against it, too; without it, against the authorities of this machine."
    ),
    "REMOTE_TLS_CERT": "Certificate (PEM file) that this service shows to those; needs REMOTE_TLS_CA.",
    "REMOTE_TLS_KEY": "Its private key (PEM file).",
    "GRPC_TLS_CERT": "Certificate chain (PEM file) of the gRPC server; empty: clear text.",
    "GRPC_TLS_KEY": "Its private key (PEM file).",
    "GRPC_TLS_CLIENT_CA": (
        "Certificate of the authority (PEM file) without whose certificate no caller gets in; empty: any caller may."
    ),
    "REMOTE_BROKER_URL": (
        "A RabbitMQ over which messages for other services go, in the split form; several addresses are separated by "
        "`;`. Or the proxy of a RocketMQ 5, with its client of requirements-rocketmq.txt. Empty: they are calls."
    ),
    "REMOTE_TIMEOUT_SECONDS": "Most seconds that a call to another service may take, with all its retries.",
    "ORDER_FLOW": (
        "How orders are placed: `local`, where stock is in APPS, or else `half_message`. `direct` leaks, and is for "
        "demonstrations."
    ),
    "STOCK_STRATEGY": (
        "How stock is taken: `group_commit`, `atomic_update`, `pessimistic`, `optimistic` or `redis_lock`. "
        "May differ between processes."
    ),
    "TRANSACTION_TRIES": "How often a transaction is tried, because of deadlocks, lock waits and stale reads.",
    "TRANSACTION_DEADLINE_SECONDS": "After this many seconds a transaction is not tried again.",
    "STOCK_OPTIMISTIC_DEADLINE_SECONDS": "After this many seconds `optimistic` does not try again.",
    "STOCK_LOCK_REDIS_URLS": (
        "Redis servers of `redis_lock`, comma-separated; empty: REDIS_URL. Three or more make a quorum."
    ),
    "STOCK_LOCK_WAIT_SECONDS": "How many seconds `redis_lock` waits for the locks of an order.",
    "STOCK_LOCK_LEASE_SECONDS": "After this many seconds a lock of `redis_lock` ends by itself.",
    "STOCK_GROUP_CAP": "How many orders, or moves of `group_commit`, go into one batch.",
    "STOCK_GROUP_QUEUE": "How many orders, or moves of `group_commit`, may wait in a process; more are answered busy.",
    "STOCK_GROUP_WAIT_SECONDS": "After this many seconds an order or a move that waits for its batch is given up.",
    "ORDER_PAY_TIMEOUT_SECONDS": "Seconds until an unpaid order is closed and its stock goes back. `make run` says 60.",
    "ORDER_TIMEOUT_BATCH": "How many overdue orders are closed in one transaction.",
    "MESSAGE_FIRST_CHECK_SECONDS": (
        "Seconds after which a half message whose sender is silent is asked about; longer than placing an order takes."
    ),
    "MESSAGE_CHECK_SECONDS": "Seconds between two checks of a half message.",
    "MESSAGE_CHECKS": "After this many checks without an answer a half message is dead.",
    "CURRENCY": "The currency of every amount, as three letters (ISO 4217).",
    "OPERATORS_TIME_ZONE": (
        "The time zone in which the admin shows times and takes them, and which it names. Rows, the API and the logs "
        "keep UTC."
    ),
    "STRIPE_API_KEY": "Stripe's key for calls, where PAYMENT_PROVIDER is `orders.payments.stripe.Stripe`.",
    "STRIPE_WEBHOOK_SECRET": "What Stripe signs its events with; needed with STRIPE_API_KEY.",
    "STRIPE_WEBHOOK_SECRET_FALLBACKS": "Former or coming ones that still count, separated by commas.",
    "STRIPE_API_URL": "Where Stripe's API is; its stand-in, stripe-mock, is elsewhere.",
    "STRIPE_RETURN_URL": "Where Stripe sends buyers who have paid, or changed their mind.",
    "STOCK_LOW": "When no more than so many pieces of a product are available, webhooks hear `stock.low`.",
    "WEBHOOK_PRIVATE_NETWORKS": "Networks that webhook endpoints may be in although they are private, and over http://.",
    "WEBHOOK_DISABLE_DAYS": "An endpoint that has taken nothing for so many days is switched off.",
    "PAYMENT_PROVIDER": "Dotted path of the payment provider's class; empty: no payments.",
    "PAYMENT_SECRET": "Signs payment callbacks. In DEBUG a process that has none makes up its own.",
    "PAYMENT_SECRET_FALLBACKS": (
        "Other secrets that payment callbacks may be signed with, separated by commas: the former one, or the next."
    ),
    "PAYMENT_NOTIFY_URL": "Where the payment provider reports captures.",
    "PUBLIC_URL": "How a buyer's browser reaches the shop.",
    "AUDIT_GRACE_SECONDS": "Seconds for which what may still be on its way is no finding of the audit.",
    "MAX_UNPAID_ORDERS": "How many unpaid orders one buyer may have; 0: any number.",
    "PLACE_RATE": "How many orders one buyer may place in a while, such as `30/min`; 0: any number.",
    "CANCEL_RATE": "How many orders one buyer may cancel in a while, such as `10/min`; 0: any number.",
    "TOKEN_PRIVATE_KEY": (
        "An Ed25519 key that signs tokens instead of SECRET_KEY: PEM, or the path of a file. Those that SECRET_KEY has "
        "signed are refused then."
    ),
    "TOKEN_PUBLIC_KEYS": (
        "Ed25519 keys whose tokens are accepted, besides those of TOKEN_PRIVATE_KEY: `ROLES=KEY`, separated by commas; "
        "the roles that its owner may give joined by +, of which `service:NAME` is that service alone, and PEM or the "
        "path of a file. Alone: no token is signed here."
    ),
    "TOKEN_ACCESS_SECONDS": "Seconds for which an access token is valid.",
    "TOKEN_REFRESH_SECONDS": "Seconds for which a refresh token is valid; each is used once.",
    "TOKEN_SESSION_SECONDS": "Seconds after which one has to sign in again, however often the tokens were renewed.",
    "TOKEN_RATE": "How many log-in attempts one address may make, such as `60/min`; 0: any number.",
    "TOKEN_NAME_RATE": (
        "How many of them for one user name; all addresses together may make five times as many. 0: any number."
    ),
    "TOKEN_REFRESH_RATE": "How many tokens one address may renew; 0: any number.",
    "NODE_FIRST": (
        "First Snowflake node that this process may lease. By APPS: goods 0, stock 256, orders 512; all of them 0."
    ),
    "NODE_LAST": (
        "Last Snowflake node that this process may lease. By APPS: goods 255, stock 511, orders 1023; all of them 1023."
    ),
    "DRAIN_DELAY_SECONDS": (
        "Seconds for which a web or gRPC server that was asked to end still takes everything, while /readyz and health "
        "say that it ends; 3 where a balancer asks them."
    ),
    "GRPC_SERVER": "What serves gRPC: `grpcio`, or `pyvoy`, which is faster and wants `requirements-pyvoy.txt`.",
    "GRPC_CONNECTION_SECONDS": (
        "Seconds after which a gRPC connection is closed, once its calls have ended: whoever has to connect anew looks "
        "for servers again, and finds those that are new."
    ),
    "CONSUL_URL": (
        "Consul's agent, such as `http://127.0.0.1:8500`: the gRPC server tells it where its services are. Empty: none."
    ),
    "CONSUL_TOKEN": "What the agent wants to be sent as `X-Consul-Token`, if anything.",
    "CONSUL_SERVICE_ADDRESS": (
        "Address by which callers reach the gRPC server, as Consul tells them; empty: the one that it listens on, or "
        "the agent's own if that is every address."
    ),
    "GRPC_MAX_WORKERS": "Threads of the gRPC server; at most the database connections that it may open.",
    "WEB_THREADS": (
        "Threads of each web process, for what its event loop does not answer by itself. It opens a few database "
        "connections more: two for those who commit in batches, two for who watches rooms, one for whoever watches "
        "over it, and PASSWORD_HASHINGS."
    ),
    "WEB_MAX_CONCURRENT": "Requests that a web process has under way or waiting; more are answered busy at once.",
    "WEB_WAIT_SECONDS": "Longest time that a request waits for a thread; then it is answered busy, and was not begun.",
    "WEB_BODY_SECONDS": "Longest time in which the body of a request has to arrive; then it is answered 408.",
    "LIVE_VIEWERS": (
        "Streams of rooms' events that a web process keeps open; more are answered busy, and those pages look for "
        "themselves now and then. Below WEB_BACKPRESSURE, which counts connections."
    ),
    "LIVE_VIEWERS_PER_ROOM": "How many of them may be of one room.",
    "LIVE_VIEWERS_PER_ADDRESS": (
        "How many of them one address may have: one household, or all behind one gateway. An IPv6 network of 64 bits "
        "counts as one address."
    ),
    "PASSWORD_HASHINGS": (
        "Passwords that a web process looks at at once, in threads of their own; each takes a core for a third of a "
        "second. Sixteen more may wait, for WEB_WAIT_SECONDS; then they are answered busy."
    ),
    "GRPC_MAX_CONCURRENT": "Calls that the gRPC server has under way or waiting; more are answered busy.",
    "GRPC_DEADLINE_SECONDS": "Most seconds that a gRPC call may take, whatever its caller asks for.",
    "REQUEST_MAX_BYTES": "Largest request body, in bytes.",
    "DATABASE_URL": "The database: `mysql://user:password@host:3306/name`, or `sqlite:///file`.",
    "DATABASE_REPLICA_URL": "A MariaDB that follows the one of DATABASE_URL, for lists that staff read, while it "
    "is at most a second late. Empty: there is none.",
    "DATABASE_CONN_MAX_AGE_SECONDS": "Seconds after which a database connection is replaced.",
    "DATABASE_WAIT_SECONDS": "Seconds for which a server that starts waits for its database; then it says so and ends.",
    "DATABASE_TIMEOUT_SECONDS": "Seconds after which a server gives up a statement that MySQL does not answer; 0: off.",
    "REDIS_URL": (
        "The cache, rates, hints and locks: `redis://host:6379/0`; `rediss://` is TLS. With sentinels "
        "`redis+sentinel://:password@host:26379,host:26379/name/0`, or `rediss+sentinel://`: their hosts, the name of "
        "the master, a database; the password is that of servers and sentinels alike. May lose everything at any time "
        "without harm."
    ),
    "CELERY_BROKER_URL": (
        "Celery's broker: an address of Redis as in REDIS_URL, or `amqp://` or `amqps://` (RabbitMQ), the nodes of a "
        "cluster separated by `;`. May lose everything at any time: the sweep does the work then."
    ),
    "CELERY_VISIBILITY_TIMEOUT_SECONDS": (
        "On Redis: after this many seconds a countdown that no worker has finished is handed out again. Must be longer "
        "than ORDER_PAY_TIMEOUT_SECONDS, in every application that shares the database."
    ),
    "CELERY_QUEUE": "Name of the Celery queue; `<SHOP>` is eight letters and digits made of where the database is.",
    "NUM_PROXIES": (
        "Proxies in front that add to `X-Forwarded-For`, by which the log-in limit tells callers apart and the log "
        "names them; 0: that header counts for nothing."
    ),
    "STATIC_ROOT": "Folder into which `manage.py collectstatic` puts the static files.",
    "MEDIA_ROOT": (
        "Folder for pictures that staff upload in the admin, one for all web processes; empty: pictures have addresses "
        "elsewhere, and nobody uploads any."
    ),
    "METRICS_ADDRESS": (
        "Where gRPC, worker and sweep show what they count, such as `0.0.0.0:9100`: for processes that share no "
        "METRICS_DIR with a web server. Empty: nowhere."
    ),
    "METRICS_DIR": "Folder in which the processes share their metrics; empty it at every start.",
    "HTTPS_ONLY": "Redirects to HTTPS, and sets secure cookies and HSTS (see HSTS_SECONDS).",
    "HSTS_SECONDS": "For how long browsers use HTTPS alone once they have been here; 0: not said.",
    "HSTS_SUBDOMAINS": "Whether HSTS holds for all names below this one, other programs' too.",
    "HSTS_PRELOAD": "Whether this name may go into the lists that browsers bring along.",
    "TRUST_PROXY": (
        "Believes `X-Forwarded-Proto`; only behind a proxy that ends TLS and overwrites that header. Needs NUM_PROXIES."
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": (
        "Where traces go by OTLP over HTTP, such as `http://127.0.0.1:4318`; wants `requirements-otel.txt`. Empty: "
        "none are made. OpenTelemetry's own settings (`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`) hold, too."
    ),
    "LOG_LEVEL": "Least level that is logged: `DEBUG`, `INFO`, `WARNING`, `ERROR`.",
    "WEB_PROCESSES": "Processes of the web server.",
    "WEB_BACKPRESSURE": "Connections that each process of the web server takes at once, idle ones included; more wait.",
    "WORKER_THREADS": "Threads of the Celery worker.",
}


class Setting(NamedTuple):
    name: str
    default: str | None  # None: has none
    values: str = ""  # which it may have


def settings() -> list[Setting]:
    """Returns what settings.py and the Procfile read from the environment, in the order of the code."""
    found: dict[str, Setting] = {}
    for setting in [*read_settings(), *read_procfile()]:
        found.setdefault(setting.name, setting)
    return list(found.values())


def read_settings() -> list[Setting]:
    tree = ast.parse((ROOT / "charites" / "settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and is_lookup(node)]
    calls.sort(key=lambda call: call.lineno)
    return [Setting(name_of(call), default_of(call), values_of(call)) for call in calls]


def is_lookup(call: ast.Call) -> bool:
    """Whether this is `env.int("NAME", ...)`, `secret("NAME")` or `former_secrets("NAME")`."""
    function = call.func
    reads = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "env"
    is_secret = isinstance(function, ast.Name) and function.id in ("secret", "former_secrets")
    return (reads or is_secret) and bool(call.args) and isinstance(call.args[0], ast.Constant)


def name_of(call: ast.Call) -> str:
    return str(ast.literal_eval(call.args[0]))


def default_of(call: ast.Call) -> str | None:
    return describe(call.args[1]) if len(call.args) > 1 else None


def values_of(call: ast.Call) -> str:
    """Returns the bound that a setting is declared with, in words."""
    match call:
        case ast.Call(ast.Name("secret")):
            return environment.SECRET.words
        case ast.Call(ast.Name("former_secrets")):
            return environment.each(environment.SECRET).words
        case ast.Call(ast.Attribute(attr="bool")):
            return "true or false"
        case ast.Call(args=[_, _, bound, *_]):
            known = {**vars(environment), "environment": environment}
            return str(eval(compile(ast.Expression(bound), "bound", "eval"), known).words)
    return ""


def describe(default: ast.expr) -> str:
    """Returns a default as somebody would write it into the environment, `<NAME>` for another setting's value."""
    match default:
        case ast.JoinedStr(values):
            return "".join(describe(part.value if isinstance(part, ast.FormattedValue) else part) for part in values)
        case ast.Name(id):
            return f"<{id}>"
        case ast.Call(ast.Name("str"), [path]):
            return describe(path)
        case ast.BinOp(left, ast.Div(), right):
            return f"{describe(left)}/{describe(right)}".removeprefix("<BASE_DIR>/")
        case ast.Subscript(ast.Name(id)):
            return f"<{id}>"
        case ast.Compare(ast.Constant(str(value)), [ast.In()], [ast.Name(id)]):
            return f"{value} in <{id}>"
        case ast.List(elements):
            return ",".join(map(describe, elements))
        case ast.UnaryOp(ast.Not(), ast.Name(id)):
            return f"not <{id}>"
        case ast.IfExp(test, body, orelse):
            return f"{describe(body)} if {describe(test)} else {describe(orelse) or 'empty'}"
    value = eval(compile(ast.Expression(default), "default", "eval"), {"__builtins__": {}})  # 64 * 1024
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_procfile() -> list[Setting]:
    text = (ROOT / "Procfile").read_text()
    return [Setting(*pair) for pair in re.findall(r"\$\{(\w+):-([^}]*)\}", text)]


def example() -> str:
    lines = ["# Copy to .env and uncomment what you change. Written by `make gen` from charites/settings.py.", ""]
    for setting in settings():
        if setting.name == "ENV_FILE":  # is looked up before .env is read
            continue
        default = setting.default or ""
        is_computed = "<" in default
        lines += [f"# {MEANINGS[setting.name]}", *([f"# May be: {setting.values}."] if setting.values else [])]
        lines += [f"# Default: {default}"] if is_computed else []
        lines += [f"#{setting.name}={'' if is_computed else default}", ""]
    return "\n".join(lines)


def table() -> str:
    rows = [
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else ''} | {setting.values} "
        f"| {MEANINGS[setting.name]} |"
        for setting in settings()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Written by `make gen` from `charites/settings.py` and the `Procfile`. Settings come from the environment;",
            "what is not set there is looked up in `.env`, then in the file that `make run` writes (`var/env`).",
            "`<NAME>` stands for the value of another setting; paths are relative to the checkout.",
            "",
            "| name | default | may be | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    names = {setting.name for setting in settings()}
    if names != set(MEANINGS):
        print(f"lab/generate/document_settings.py: without a meaning: {sorted(names - set(MEANINGS))}, ", end="")
        print(f"with a meaning but not read: {sorted(set(MEANINGS) - names)}")
        return 1
    wanted = {ROOT / ".env.example": example(), ROOT / "docs" / "settings.md": table()}
    if "--check" in arguments:
        stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: make gen")
        return bool(stale)
    for path, text in wanted.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
