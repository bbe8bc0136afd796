import pytest

from lab.kit.factories import NOW, later
from orders.errors import BadSignature
from orders.payments.signing import sign, verify

SECRET, BODY = "a secret", b'{"amount": 1}'


def headers(**changes: str) -> dict[str, str]:
    return {**sign(secret=SECRET, notice_id="notice-1", body=BODY, now=NOW), **changes}


def check(given: dict[str, str], *, body: bytes = BODY, secrets=(SECRET,), now=NOW) -> None:
    verify(secrets=secrets, headers=given, body=body, now=now)


def test_sign_as_the_standard_has_it():
    """Standard Webhooks: base64 of HMAC-SHA256 over `id.timestamp.body`, computed here with openssl."""
    signed = sign(secret="s", notice_id="id", body=b"body", now=NOW)

    # printf 'id.1780315200.body' | openssl dgst -sha256 -hmac s -binary | base64
    assert signed == {
        "webhook-id": "id",
        "webhook-timestamp": "1780315200",
        "webhook-signature": "v1,5Wd2nhz5PfuNRpWQdEbVJflIih9P6xHi+oRzmA11F6k=",
    }


def test_verify_of_a_signed_notice_passes():
    check(headers())


@pytest.mark.parametrize("seconds", [-300, 300])
def test_verify_within_five_minutes_passes(seconds):
    check(headers(), now=later(seconds))


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
def test_verify_of_a_stale_or_future_notice_is_refused(seconds):
    with pytest.raises(BadSignature):
        check(headers(), now=later(seconds))


def test_verify_of_another_body_is_refused():
    with pytest.raises(BadSignature):
        check(headers(), body=BODY + b" ")


def test_verify_with_another_secret_is_refused():
    with pytest.raises(BadSignature):
        check(headers(), secrets=["another"])
    with pytest.raises(BadSignature):
        check(headers(), secrets=[])


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_verify_without_one_of_the_headers_is_refused(name):
    given = headers()
    del given[name]

    with pytest.raises(BadSignature):
        check(given)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "notice-2"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,Zm9yZ2Vk"},
        {"webhook-signature": "v1,\udce9"},
    ],
)
def test_verify_of_a_changed_header_is_refused(change):
    with pytest.raises(BadSignature):
        check(headers(**change))


def test_verify_of_an_unknown_version_is_refused():
    given = headers()

    with pytest.raises(BadSignature):
        check({**given, "webhook-signature": given["webhook-signature"].replace("v1,", "v2,")})


def test_verify_of_several_signatures_takes_any_that_is_right():
    right = headers()["webhook-signature"]

    check(headers(**{"webhook-signature": f"v2,abc v1,Zm9yZ2Vk {right}"}))


@pytest.mark.parametrize("secrets", [[SECRET, "another"], ["another", SECRET], ["one", "two", SECRET]])
def test_verify_takes_each_of_the_accepted_secrets(secrets):
    check(headers(), secrets=secrets)

    with pytest.raises(BadSignature):
        check(headers(), secrets=[secret for secret in secrets if secret != SECRET])
