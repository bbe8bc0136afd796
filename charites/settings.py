"""Settings, all of them from the environment.

Order of precedence: the real environment, then `.env`, then the file that `make run` writes (`var/env`). ENV_FILE in
the real environment names another file, which is then the only one.
`docs/settings.md` lists every name; a test keeps that list complete.
"""

import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from charites import brokers, environment
from charites.common import near
from charites.common.processes import ProcessNumber
from charites.common.redis_client import watched_by
from charites.common.shop import shop_of
from charites.environment import (
    AT_LEAST_ONE,
    HOST,
    NOT_NEGATIVE,
    ORIGIN,
    PAUSE,
    PORT,
    SECONDS,
    SECRET,
    WEB_ADDRESS,
    between,
    each,
    one_of,
    some_of,
)
from charites.version import VERSION

BASE_DIR = Path(__file__).resolve().parent.parent

env = environment.Environment()
if env_file := env.str("ENV_FILE", str(BASE_DIR / "var" / "env")):  # empty: the real environment alone
    if "ENV_FILE" not in os.environ:
        env.read_file(BASE_DIR / ".env")
    elif not (BASE_DIR / env_file).is_file():  # or a command would quietly work on another shop
        raise ImproperlyConfigured(f"ENV_FILE names {env_file}, and there is no such file.")
    env.read_file(BASE_DIR / env_file)

# What kind of process this is

DEBUG = env.bool("DEBUG", False)
DEFAULT_EXCEPTION_REPORTER_FILTER = "charites.common.debug_pages.PasswordsInAddresses"
DEMO = env.bool("DEMO", False)


def secret(name: str) -> str:
    """Returns a secret. In DEBUG a process that is given none makes one up, which nobody else knows."""
    value = env.str(name, "")
    if not DEBUG and not SECRET.holds(value):
        env.refuse(f"{name} must be {SECRET.words} outside DEBUG; keep it out of the repository.")
    return value or secrets.token_urlsafe(48)


def former_secrets(name: str) -> list[str]:
    """Returns the secrets that count beside the one in use."""
    return env.list(name, [], None if DEBUG else each(SECRET))


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches a server that listens on `host`."""
    return host == "localhost" or near.is_loopback(host.strip("[]"))


HTTP_HOST = env.str("HTTP_HOST", "127.0.0.1", HOST)
HTTP_PORT = env.int("HTTP_PORT", 8000, PORT)
GRPC_HOST = env.str("GRPC_HOST", "127.0.0.1", HOST)
GRPC_PORT = env.int("GRPC_PORT", 8081, PORT)

if DEMO and not (is_loopback(HTTP_HOST) and is_loopback(GRPC_HOST)):
    env.refuse(
        f"DEMO accepts well-known tokens, so it listens on loopback only, not on {HTTP_HOST} and {GRPC_HOST}. "
        "Turn DEMO off, or set HTTP_HOST and GRPC_HOST to 127.0.0.1."
    )

SECRET_KEY = secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = former_secrets("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"], each(HOST))
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", [], each(WEB_ADDRESS))
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", [], each(ORIGIN))  # whose pages may call the API in a browser
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "last-event-id", "x-request-id"]
CORS_EXPOSE_HEADERS = ["retry-after", "www-authenticate", "x-request-id"]

# What is not for buyers: everybody sees these, and whoever has the token sees the first three

PUBLIC_PARTS = env.list(
    "PUBLIC_PARTS",
    ["metrics", "readiness", "docs", "reflection"] if DEBUG else [],
    each(one_of("metrics", "readiness", "docs", "reflection")),
)
OPERATORS_TOKEN = env.str("OPERATORS_TOKEN", "", environment.TOKEN)

# The split form: which of the apps this process serves, and where the others are

APPS = env.list("APPS", ["goods", "stock", "orders"], some_of("goods", "stock", "orders"))
IS_WHOLE = {"goods", "stock", "orders"} <= set(APPS)  # the pages of rooms want all of them
USERS_ARE_HERE = "orders" in APPS  # elsewhere there are operators of this service's admin alone
GOODS_ENDPOINT = env.str("GOODS_ENDPOINT", "", environment.ENDPOINT)
STOCK_ENDPOINT = env.str("STOCK_ENDPOINT", "", environment.ENDPOINT)
# TLS between services: paths of PEM files, of the caller and of the server
REMOTE_TLS_CA = env.str("REMOTE_TLS_CA", "")
REMOTE_TLS_CERT = env.str("REMOTE_TLS_CERT", "")
REMOTE_TLS_KEY = env.str("REMOTE_TLS_KEY", "")
GRPC_TLS_CERT = env.str("GRPC_TLS_CERT", "")
GRPC_TLS_KEY = env.str("GRPC_TLS_KEY", "")
GRPC_TLS_CLIENT_CA = env.str("GRPC_TLS_CLIENT_CA", "")
REMOTE_BROKER_URL = env.str("REMOTE_BROKER_URL", "", environment.BETWEEN_SERVICES)
MEETS_AT_BROKER = bool(REMOTE_BROKER_URL) and not IS_WHOLE  # or else messages for other services are calls
REMOTE_TIMEOUT_SECONDS = env.float("REMOTE_TIMEOUT_SECONDS", 2.0, PAUSE)
ORDER_FLOW = env.str("ORDER_FLOW", "local" if "stock" in APPS else "half_message")
MIGRATION_MODULES = {app: None for app in ("goods", "stock", "orders") if app not in APPS}  # no tables of others

# Each service has a range of Snowflake nodes, so that numbers never meet; a process that is all of them takes any.
NODES = {"goods": (0, 255), "stock": (256, 511), "orders": (512, 1023)}
NODES_OF_APPS = NODES.get(",".join(APPS), (0, 1023))

# The shop

STOCK_STRATEGY = env.str("STOCK_STRATEGY", "group_commit")
TRANSACTION_TRIES = env.int("TRANSACTION_TRIES", 6, between(1, 100))  # of one after deadlocks and stale reads
TRANSACTION_DEADLINE_SECONDS = env.float("TRANSACTION_DEADLINE_SECONDS", 4.0, PAUSE)  # no further try after this long
STOCK_OPTIMISTIC_DEADLINE_SECONDS = env.float("STOCK_OPTIMISTIC_DEADLINE_SECONDS", 5.0, PAUSE)
# Three or more make a quorum, each by itself.
STOCK_LOCK_REDIS_URLS = env.list("STOCK_LOCK_REDIS_URLS", [], each(environment.REDIS_SERVER))
STOCK_LOCK_WAIT_SECONDS = env.float("STOCK_LOCK_WAIT_SECONDS", 5.0, PAUSE)
STOCK_LOCK_LEASE_SECONDS = env.float("STOCK_LOCK_LEASE_SECONDS", 10.0, PAUSE)
STOCK_GROUP_CAP = env.int("STOCK_GROUP_CAP", 256, between(1, 4096))  # orders or moves in one transaction
STOCK_GROUP_QUEUE = env.int("STOCK_GROUP_QUEUE", 4096, AT_LEAST_ONE)  # waiting in a process; more are answered busy
STOCK_GROUP_WAIT_SECONDS = env.float("STOCK_GROUP_WAIT_SECONDS", 8.0, PAUSE)
ORDER_PAY_TIMEOUT_SECONDS = env.int("ORDER_PAY_TIMEOUT_SECONDS", 1800, SECONDS)
ORDER_TIMEOUT_BATCH = env.int("ORDER_TIMEOUT_BATCH", 500, between(1, 10_000))  # orders closed in one transaction
MESSAGE_FIRST_CHECK_SECONDS = env.float("MESSAGE_FIRST_CHECK_SECONDS", 6.0, PAUSE)
MESSAGE_CHECK_SECONDS = env.float("MESSAGE_CHECK_SECONDS", 30.0, PAUSE)
MESSAGE_CHECKS = env.int("MESSAGE_CHECKS", 15, AT_LEAST_ONE)  # then a half message is dead
MAX_UNPAID_ORDERS = env.int("MAX_UNPAID_ORDERS", 5, NOT_NEGATIVE)  # of one buyer; 0: any number
PLACE_RATE = env.str("PLACE_RATE", "30/min", environment.RATE)  # orders that one buyer may place; 0: any number
CANCEL_RATE = env.str("CANCEL_RATE", "10/min", environment.RATE)  # orders that one buyer may cancel; 0: any number
CURRENCY = env.str("CURRENCY", "CNY", environment.CURRENCY)
PAYMENT_PROVIDER = env.str("PAYMENT_PROVIDER", "orders.payments.sandbox.Sandbox" if DEMO else "", environment.CLASS)
PAYMENT_SECRET = secret("PAYMENT_SECRET")  # signs the sandbox provider's callbacks
PAYMENT_SECRET_FALLBACKS = former_secrets("PAYMENT_SECRET_FALLBACKS")
PAYMENT_NOTIFY_URL = env.str("PAYMENT_NOTIFY_URL", f"http://127.0.0.1:{HTTP_PORT}/api/payments/notify", WEB_ADDRESS)
PUBLIC_URL = env.str("PUBLIC_URL", f"http://127.0.0.1:{HTTP_PORT}", WEB_ADDRESS)  # for buyers' browsers
# Of the provider orders.payments.stripe.Stripe, which says at the start what it lacks
STRIPE_API_KEY = env.str("STRIPE_API_KEY", "", environment.STRIPE_KEY)
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "", environment.STRIPE_SECRET)
STRIPE_WEBHOOK_SECRET_FALLBACKS = env.list("STRIPE_WEBHOOK_SECRET_FALLBACKS", [], each(environment.STRIPE_SECRET))
STRIPE_API_URL = env.str("STRIPE_API_URL", "https://api.stripe.com", WEB_ADDRESS)
STRIPE_RETURN_URL = env.str("STRIPE_RETURN_URL", PUBLIC_URL, WEB_ADDRESS)
STOCK_LOW = env.int("STOCK_LOW", 5, NOT_NEGATIVE)
WEBHOOK_PRIVATE_NETWORKS = env.list("WEBHOOK_PRIVATE_NETWORKS", ["127.0.0.0/8"] if DEMO else [], environment.NETWORKS)
WEBHOOK_DISABLE_DAYS = env.int("WEBHOOK_DISABLE_DAYS", 5, between(1, 3650))
AUDIT_GRACE_SECONDS = env.int("AUDIT_GRACE_SECONDS", 600, NOT_NEGATIVE)
TOKEN_PRIVATE_KEY = env.str("TOKEN_PRIVATE_KEY", "")  # with one of these two SECRET_KEY signs no tokens
TOKEN_PUBLIC_KEYS = env.list("TOKEN_PUBLIC_KEYS", [])
TOKEN_ACCESS_SECONDS = env.int("TOKEN_ACCESS_SECONDS", 3600, SECONDS)
TOKEN_REFRESH_SECONDS = env.int("TOKEN_REFRESH_SECONDS", 30 * 86400, SECONDS)
TOKEN_SESSION_SECONDS = env.int("TOKEN_SESSION_SECONDS", 90 * 86400, between(60, 10 * 366 * 86400))
TOKEN_RATE = env.str("TOKEN_RATE", "60/min", environment.RATE)  # log-in attempts per address
TOKEN_NAME_RATE = env.str("TOKEN_NAME_RATE", "10/min", environment.RATE)  # log-in attempts for a user name per address
TOKEN_REFRESH_RATE = env.str("TOKEN_REFRESH_RATE", "300/min", environment.RATE)  # tokens renewed per address
NODE_FIRST = env.int("NODE_FIRST", NODES_OF_APPS[0], between(0, 1023))  # Snowflake nodes that it may lease
NODE_LAST = env.int("NODE_LAST", NODES_OF_APPS[1], between(0, 1023))
# Less than the 10 s after which Granian kills a process that it asked to end
DRAIN_DELAY_SECONDS = env.float("DRAIN_DELAY_SECONDS", 0.0, between(0, 8))
GRPC_SERVER = env.str("GRPC_SERVER", "grpcio", one_of("grpcio", "pyvoy"))  # the transport of gRPC
GRPC_CONNECTION_SECONDS = env.int("GRPC_CONNECTION_SECONDS", 300, between(1, 86_400))
CONSUL_URL = env.str("CONSUL_URL", "", environment.AGENT)  # whose DNS says where gRPC is; empty: nobody is told
CONSUL_TOKEN = env.str("CONSUL_TOKEN", "", environment.HEADER)
CONSUL_SERVICE_ADDRESS = env.str("CONSUL_SERVICE_ADDRESS", "", environment.ANY_HOST)
GRPC_MAX_WORKERS = env.int("GRPC_MAX_WORKERS", 16, AT_LEAST_ONE)  # database connections, too
GRPC_MAX_CONCURRENT = env.int("GRPC_MAX_CONCURRENT", 512, AT_LEAST_ONE)  # under way and waiting; then busy
GRPC_DEADLINE_SECONDS = env.float("GRPC_DEADLINE_SECONDS", 10.0, PAUSE)  # of a call, whatever it asks for
WEB_THREADS = env.int("WEB_THREADS", 4, AT_LEAST_ONE)  # of a web process
WEB_MAX_CONCURRENT = env.int("WEB_MAX_CONCURRENT", 512, AT_LEAST_ONE)  # under way and waiting; then busy
WEB_WAIT_SECONDS = env.float("WEB_WAIT_SECONDS", 2.0, PAUSE)  # for a thread; then busy
WEB_BODY_SECONDS = env.float("WEB_BODY_SECONDS", 10.0, PAUSE)  # within which a request has to be whole
LIVE_VIEWERS = env.int("LIVE_VIEWERS", 2500, NOT_NEGATIVE)  # of all rooms in a web process: open streams; then busy
LIVE_VIEWERS_PER_ROOM = env.int("LIVE_VIEWERS_PER_ROOM", 2500, NOT_NEGATIVE)
LIVE_VIEWERS_PER_ADDRESS = env.int("LIVE_VIEWERS_PER_ADDRESS", 100, NOT_NEGATIVE)
PASSWORD_HASHINGS = env.int("PASSWORD_HASHINGS", 2, between(1, 64))  # at once, of a process; each takes a core
REQUEST_MAX_BYTES = env.int("REQUEST_MAX_BYTES", 64 * 1024, between(1024, 16 * 1024 * 1024))

# Apps

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "django_grpc_framework",
    "charites.common",
    "charites",
    "goods",
    "stock",
    "messaging",
    "orders",
    "live",
    *(["lab"] if find_spec("lab") else []),  # the instruments, in a checkout; what is deployed comes without them
]

MIDDLEWARE = [
    "django.middleware.locale.LocaleMiddleware",  # first: also what the next one refuses speaks the caller's language
    "charites.common.rest.CrossOriginMiddleware",
    "charites.common.rest.RequestMiddleware",
    "charites.common.rest.PreflightMiddleware",
    "charites.common.rest.ContentPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "charites.common.rest.HostMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "charites.common.admin_zone.OperatorsZoneMiddleware",
    "charites.common.replicas.FreshAfterWriteMiddleware",
]

ROOT_URLCONF = "charites.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Database

DATABASE_URL = env.str("DATABASE_URL", f"sqlite:///{BASE_DIR / 'var' / 'charites.sqlite3'}", environment.DATABASE)
DATABASE_REPLICA_URL = env.str("DATABASE_REPLICA_URL", "", environment.REPLICA)
DATABASE_CONN_MAX_AGE_SECONDS = env.int("DATABASE_CONN_MAX_AGE_SECONDS", 300, NOT_NEGATIVE)
DATABASE_TIMEOUT_SECONDS = env.int("DATABASE_TIMEOUT_SECONDS", 10, NOT_NEGATIVE)  # above innodb_lock_wait_timeout
DATABASE_WAIT_SECONDS = env.int("DATABASE_WAIT_SECONDS", 30, between(0, 3600))  # of a server that starts


def database(url: str) -> dict[str, Any]:
    """Returns Django's description of the database at `url`, with the session settings that the code relies on."""
    description: dict[str, Any] = dict(dj_database_url.parse(url))
    description["CONN_MAX_AGE"] = DATABASE_CONN_MAX_AGE_SECONDS
    description["CONN_HEALTH_CHECKS"] = True  # a connection that was cut while idle costs a ping, not an error
    options = description.setdefault("OPTIONS", {})
    if description["ENGINE"].endswith("sqlite3"):
        # A writer that starts with BEGIN IMMEDIATE waits for the lock instead of failing half way; SQLite's waiting
        # is unfair, so the time-out is long.
        options.update(
            transaction_mode="IMMEDIATE",
            timeout=30,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
        )
    elif description["ENGINE"].endswith("mysql"):
        options.setdefault("connect_timeout", 3)
        # A database that hangs keeps its connections open: without a limit everybody would hang with it.
        options.setdefault("read_timeout", DATABASE_TIMEOUT_SECONDS)
        options.setdefault("write_timeout", DATABASE_TIMEOUT_SECONDS)
        options.update(
            charset="utf8mb4",
            isolation_level="read committed",
            init_command="SET time_zone = '+00:00', sql_mode = 'TRADITIONAL', innodb_lock_wait_timeout = 5",
        )
    return description


DATABASES = {"default": database(DATABASE_URL)}
if DATABASE_REPLICA_URL:
    DATABASES["replica"] = database(DATABASE_REPLICA_URL)
    DATABASE_ROUTERS = ["charites.common.replicas.Router"]
SHOP = shop_of(DATABASES["default"])  # several may share a Redis and a broker

# Redis and Celery: both may vanish or forget without harm

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0", environment.REDIS)
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", REDIS_URL, environment.BROKER)
CELERY_VISIBILITY_TIMEOUT_SECONDS = env.int("CELERY_VISIBILITY_TIMEOUT_SECONDS", 24 * 3600, SECONDS)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [REDIS_URL],  # a list: of a text, commas would make several
        "KEY_FUNCTION": "charites.common.shop.cache_key",  # shops and services may share a Redis
        "OPTIONS": {
            "CONNECTION_FACTORY": "charites.common.redis_client.CacheConnections",
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",  # what lies in Redis runs no code
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = False  # what needs Redis counts its own failures; /statusz names it

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker may be away for as long as it likes
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a Redis that has become a replica, or refuses writes, is connected to anew
CELERY_WORKER_CONSUMER = "charites.worker:PatientConsumer"
# A task is taken off the queue before it runs, not after: a worker that dies takes a wake-up with it, and the sweep
# does the same work within a second, where a broker would bring the wake-up back much later, and in vain.
CELERY_TASK_ACKS_LATE = False
ON_RABBITMQ = brokers.kind_of(CELERY_BROKER_URL) == "rabbitmq"
# RabbitMQ keeps a countdown only for a quorum queue behind a topic exchange. With a direct one Celery warns, and holds
# the countdown in the worker.
CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum" if ON_RABBITMQ else "classic"
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic" if ON_RABBITMQ else "direct"
CELERY_BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE = "quorum"
CELERY_WORKER_DETECT_QUORUM_QUEUES = True  # which refuse a prefetch limit for a whole connection
CELERY_BROKER_HEARTBEAT = 20  # seconds; two missed ones, and the worker of a hung RabbitMQ connects anew
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    brokers.options_for_rabbitmq()
    if ON_RABBITMQ
    else {
        "visibility_timeout": CELERY_VISIBILITY_TIMEOUT_SECONDS,
        "socket_timeout": 5,
        "socket_connect_timeout": 0.5,
    }
)
if watched := watched_by(CELERY_BROKER_URL):
    # Celery's own form of it, under the names that it reads first: CELERY_BROKER_URL it reads from the environment.
    CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = brokers.sentinels_for_celery(watched)
    CELERY_BROKER_TRANSPORT_OPTIONS |= brokers.options_for_sentinels(watched)
CELERY_BROKER_USE_SSL = brokers.tls_of_redis(CELERY_BROKER_URL)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = env.str("CELERY_QUEUE", f"charites-{SHOP}", environment.NAME)

# REST

NUM_PROXIES = env.int("NUM_PROXIES", 0, between(0, 16))  # in front, each of which says whom it was called by
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # `charites.common.rest.Endpoint` brings the bearer token
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "charites.common.rest.schema.Schema",
    "EXCEPTION_HANDLER": "charites.common.rest.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_PATCH": False,
    "TITLE": "charites",
    "DESCRIPTION": "Live-stream commerce: rooms, goods, stock, orders. Amounts are integer cents; ids are strings.",
    "VERSION": VERSION,
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "The shop that this schema comes from"}],
    "TAGS": [
        {"name": "auth", "description": "Tokens: signing in, and renewing them."},
        {"name": "me", "description": "Who the caller is."},
        {"name": "rooms", "description": "Live rooms: what is on their shelves, what is pinned, what changes."},
        {"name": "goods", "description": "Products."},
        {"name": "orders", "description": "Orders: placed, paid, cancelled, completed."},
        {"name": "payments", "description": "Payments, and the provider's news of them."},
        {"name": "refunds", "description": "Money on its way back."},
        {"name": "stock", "description": "How many pieces there are, and corrections."},
        {"name": "messages", "description": "What the shop tells itself and others."},
        {"name": "webhooks", "description": "Which other systems are told of events, and what became of that."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/charites/favicon.svg",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "orders.models.Order.Status",
        "PaymentStatus": "orders.models.Payment.Status",
        "RoomStatus": "goods.models.Room.Status",
        "GoodsStatus": "goods.models.Goods.Status",
        "RefundStatus": "orders.models.Refund.Status",
        "RefundReason": "orders.models.Refund.Reason",
        "ClosedBy": "orders.models.Order.ClosedBy",
        "MessageState": "messaging.models.Message.State",
        "Role": "charites.common.auth.Role",
        "Sale": "live.shelf.Sale",
        "PaymentOutcome": "orders.rest.serializers.OUTCOMES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "charites.common.rest.schema.with_examples",
        "charites.common.rest.schema.with_headers",
        "charites.common.rest.schema.with_names",
    ],
    "GET_LIB_DOC_EXCLUDES": "charites.common.rest.schema.without_words_for_callers",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = REQUEST_MAX_BYTES

# Words, time, files

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "charites" / "locale"]
TIME_ZONE = "UTC"
OPERATORS_TIME_ZONE = env.str("OPERATORS_TIME_ZONE", "UTC", environment.TIME_ZONE)  # of the admin's pages
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / "var" / "static")
# Where pictures are kept that staff upload: shared by all web processes, or empty, and nobody uploads any.
MEDIA_ROOT = env.str("MEDIA_ROOT", str(BASE_DIR / "var" / "media") if DEBUG else "")
MEDIA_URL = "/media/"
STATICFILES_DIRS = [("catalogue", BASE_DIR / "fixtures" / "images")]
WHITENOISE_USE_FINDERS = DEBUG
METRICS_ADDRESS = env.str("METRICS_ADDRESS", "", environment.LISTENER)  # where gRPC, worker and sweep show counters
METRICS_DIR = env.str("METRICS_DIR", "")
if METRICS_DIR:
    # Several processes write their counters here; the library wants to know before it is imported.
    try:
        Path(METRICS_DIR).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        env.refuse(f"METRICS_DIR={METRICS_DIR} cannot be made: {error.strerror}.")
    else:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_DIR
        from prometheus_client import values

        values.ValueClass = values.MultiProcessValue(ProcessNumber())

# Transport security: on unless DEBUG; a TLS proxy in front names itself by TRUST_PROXY

HTTPS_ONLY = env.bool("HTTPS_ONLY", not DEBUG)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^statusz$", r"^metrics$"]
# Browsers keep this: what is said of subdomains, and in their lists, cannot be taken back for months.
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 365 * 86400 if HTTPS_ONLY else 0, between(0, 10 * 365 * 86400))
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", False)
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
LANGUAGE_COOKIE_SECURE = HTTPS_ONLY
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TRUST_PROXY = env.bool("TRUST_PROXY", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None

LOGIN_REDIRECT_URL = "admin:index"  # whoever signs in there, and was to be sent to another host
PASSWORD_HASHERS = ["charites.common.passwords.BoundedPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")  # whoever takes traces; empty: none are made
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", environment.LOG_LEVEL).upper()
LOGGING_CONFIG = "charites.common.logs.configure"
LOGGING = {"level": LOG_LEVEL, "as_json": not DEBUG}

env.refuse_what_is_wrong()
