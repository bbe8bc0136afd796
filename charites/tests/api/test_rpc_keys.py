"""Keys of tokens: who verifies cannot sign, a key signs for its roles alone, and no algorithm passes for another."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone

from charites.common.auth import Role, issue_token, keys, read_authorization, service_header
from charites.common.errors import Unauthenticated
from charites.common.rpc import read_error
from charites.tests.api.probe import probe
from lab.kit.factories import BUYER_ID, make_staff, make_user
from lab.kit.grpc_server import grpc_callers
from lab.kit.rest_client import RestClient, anybody
from stock.rpc.stock_pb2 import StockLevel

ROOT = Path(__file__).resolve().parents[3]


class Pair(NamedTuple):
    private: str
    public: str


def as_pair(key: Any) -> Pair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Pair(private, public)


ORDERS, WAREHOUSE, STRANGER = (as_pair(Ed25519PrivateKey.generate()) for _ in range(3))
CURVE = as_pair(generate_private_key(SECP256R1()))


def token_of(settings: Any, pair: Pair, role: Role = Role.CUSTOMER, name: str = "") -> str:
    """A token that the owner of this key has signed."""
    before = settings.TOKEN_PRIVATE_KEY, settings.TOKEN_PUBLIC_KEYS
    settings.TOKEN_PRIVATE_KEY, settings.TOKEN_PUBLIC_KEYS = pair.private, []
    token = issue_token(user_id=BUYER_ID, role=role, now=timezone.now(), name=name)
    settings.TOKEN_PRIVATE_KEY, settings.TOKEN_PUBLIC_KEYS = before
    return token


@pytest.fixture
def verifier(settings: Any) -> Any:
    """A service with the public keys of two others."""
    settings.TOKEN_PUBLIC_KEYS = [f"customer+staff+service={ORDERS.public}", f"service={WAREHOUSE.public}"]
    return settings


def is_refused(token: str) -> bool:
    try:
        read_authorization(f"Bearer {token}")
    except Unauthenticated:
        return True
    return False


def test_one_deployable_signs_with_its_secret_key() -> None:
    token = issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now())

    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert read_authorization(f"Bearer {token}").user_id == 7


def test_whoever_has_the_private_key_signs_and_verifies(settings: Any) -> None:
    settings.TOKEN_PRIVATE_KEY = ORDERS.private
    token = issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now())

    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
    assert read_authorization(f"Bearer {token}").user_id == 7
    assert read_authorization(service_header("orders")).actor == "service:orders"


def test_verifier_accepts_a_key_for_its_roles_alone(verifier: Any) -> None:
    by_orders = [is_refused(token_of(verifier, ORDERS, role)) for role in (Role.CUSTOMER, Role.SERVICE)]
    by_warehouse = [is_refused(token_of(verifier, WAREHOUSE, role)) for role in Role]

    assert by_orders == [False, False]
    assert dict(zip(Role, by_warehouse, strict=True)) == {Role.CUSTOMER: True, Role.STAFF: True, Role.SERVICE: False}
    assert is_refused(token_of(verifier, STRANGER))
    assert not is_refused(token_of(verifier, ORDERS, Role.SERVICE, "orders"))


@pytest.mark.parametrize(
    ("name", "refused"), [("warehouse", False), ("orders", True), ("warehouses", True), ("", True)]
)
def test_key_of_one_service_signs_for_no_other(settings: Any, name: str, refused: bool) -> None:
    """What a service reserves is its name's to end: who could take another name could end the shop's own."""
    settings.TOKEN_PUBLIC_KEYS = [
        f"customer+staff+service:orders={ORDERS.public}",
        f"service:warehouse={WAREHOUSE.public}",
    ]

    assert is_refused(token_of(settings, WAREHOUSE, Role.SERVICE, name)) is refused
    assert not is_refused(token_of(settings, ORDERS, Role.SERVICE, "orders"))
    assert not is_refused(token_of(settings, ORDERS, Role.CUSTOMER))


@pytest.mark.django_db
def test_verifier_signs_nothing(verifier: Any) -> None:
    make_user("mei")

    with pytest.raises(ImproperlyConfigured, match="no token is signed here"):
        issue_token(user_id=0, role=Role.SERVICE, now=timezone.now())
    with pytest.raises(CommandError, match="no token is signed here"):
        call_command("issue_token", "warehouse")
    assert anybody().post("/api/auth/token", {"username": "mei", "password": "charites"}).status_code == 500


# Algorithms


def by_hand(head: dict[str, Any], secret: bytes, digest: str = "sha256") -> str:
    """A token as a forger makes it, whom no library holds back."""
    claims = {"sub": "1", "role": "service", "use": "access", "iat": 0, "exp": 9_999_999_999}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    signed = hmac.new(secret, b".".join(parts), getattr(hashlib, digest)).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()


FORGERIES: dict[str, Callable[[Any], str]] = {
    "public key as a secret": lambda settings: by_hand({"alg": "HS256", "typ": "JWT"}, ORDERS.public.encode()),
    "public key as a secret, stripped": lambda settings: by_hand({"alg": "HS256"}, ORDERS.public.strip().encode()),
    "public key as a longer secret": lambda settings: by_hand({"alg": "HS512"}, ORDERS.public.encode(), "sha512"),
    "HMAC that calls itself EdDSA": lambda settings: by_hand({"alg": "EdDSA"}, ORDERS.public.encode()),
    "the secret key": lambda settings: by_hand({"alg": "HS256"}, settings.SECRET_KEY.encode()),
    "no secret": lambda settings: by_hand({"alg": "HS256"}, b""),
    "none": lambda settings: by_hand({"alg": "none"}, b"").rpartition(".")[0] + ".",
    "a key of its own in the header": lambda settings: by_hand(
        {"alg": "HS256", "jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(b"mine").decode()}}, b"mine"
    ),
    "another kind of key": lambda settings: jwt.encode(
        {"sub": "1", "role": "service", "use": "access", "exp": 9_999_999_999}, CURVE.private, "ES256"
    ),
    "signature of somebody else": lambda settings: token_of(settings, STRANGER, Role.SERVICE),
    "a customer of a key for services": lambda settings: token_of(settings, WAREHOUSE, Role.CUSTOMER),
    "staff of a key for services": lambda settings: token_of(settings, WAREHOUSE, Role.STAFF),
    "the shop itself of a key for services": lambda settings: token_of(settings, WAREHOUSE, Role.SERVICE, "orders"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", FORGERIES)
def test_no_algorithm_passes_for_another_at_any_door(verifier: Any, name: str) -> None:
    make_staff(BUYER_ID)  # or nobody could be taken for one
    header = f"Bearer {FORGERIES[name](verifier)}"
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        over_grpc = number_of(callers.with_header(header).stock.GetStock)
    over_rest = RestClient(header).get("/api/orders")
    over_v1 = RestClient(header).post("/v1/getstock", {"GoodsId": 1})

    assert [over_grpc, over_rest.status_code, over_v1.status_code] == [10000002, 401, 401]
    assert calls == []


def number_of(call: Any) -> int:
    """Of a refusal; 0 where there is none."""
    try:
        call(StockLevel(goods_id=1))
    except grpc.RpcError as error:
        return int(read_error(error).code)
    return 0


def test_one_deployable_takes_no_token_of_a_key_pair(settings: Any) -> None:
    assert is_refused(token_of(settings, ORDERS))
    assert is_refused(by_hand({"alg": "HS256"}, ORDERS.public.encode()))


# Settings


@pytest.mark.parametrize(
    ("private", "public", "expected"),
    [
        ("/nowhere/key.pem", [], "TOKEN_PRIVATE_KEY: cannot read /nowhere/key.pem"),
        ("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", [], "TOKEN_PRIVATE_KEY is no private key"),
        (ORDERS.public, [], "TOKEN_PRIVATE_KEY is no private key"),
        (CURVE.private, [], "TOKEN_PRIVATE_KEY is not of the kind Ed25519"),
        ("", [ORDERS.public], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", [f"king={ORDERS.public}"], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", ["service="], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", [f"service:={ORDERS.public}"], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", [f"service:A B={ORDERS.public}"], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", [f"service:a+service:b={ORDERS.public}"], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", [f"service+service:b={ORDERS.public}"], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", [f"staff:a={ORDERS.public}"], "TOKEN_PUBLIC_KEYS wants ROLES=KEY"),
        ("", ["service=/nowhere/key.pem"], "TOKEN_PUBLIC_KEYS: cannot read /nowhere/key.pem"),
        ("", [f"service={ORDERS.private}"], "no public key in PEM"),
        ("", [f"service={CURVE.public}"], "not of the kind Ed25519"),
    ],
)
def test_key_that_is_none_is_named_in_a_sentence(settings: Any, private: str, public: list[str], expected: str) -> None:
    settings.TOKEN_PRIVATE_KEY, settings.TOKEN_PUBLIC_KEYS = private, public

    with pytest.raises(ImproperlyConfigured, match=expected):
        keys.current()


def test_keys_come_from_files_as_well_and_spaces_do_not_matter(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "private.pem").write_text(ORDERS.private)
    (tmp_path / "public.pem").write_text(WAREHOUSE.public)
    settings.TOKEN_PRIVATE_KEY = str(tmp_path / "private.pem")
    settings.TOKEN_PUBLIC_KEYS = [f" service = {tmp_path / 'public.pem'} "]

    assert read_authorization(service_header("orders")).role is Role.SERVICE
    assert not is_refused(token_of(settings, WAREHOUSE, Role.SERVICE))


@pytest.mark.long
@pytest.mark.slow
def test_process_with_a_key_that_cannot_be_read_does_not_start() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "charites.settings", "TOKEN_PRIVATE_KEY": "/nowhere/key"}
    command = [sys.executable, "-c", "import django; django.setup()"]

    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "TOKEN_PRIVATE_KEY: cannot read /nowhere/key" in done.stderr
