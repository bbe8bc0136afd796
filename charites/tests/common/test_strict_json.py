"""JSON that is read strictly."""

import pytest

from charites.common.errors import Invalid
from charites.common.strict_json import MOST_DEPTH, read_body, read_json

DEEPEST = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
FINE = {
    b'{"a": [1, -2.5, 1e10, true, false, null, "x"]}': {"a": [1, -2.5, 1e10, True, False, None, "x"]},
    b'  "\\ud83d\\ude00 \xe9\xa9\xac"  ': "😀 马",
    b'{"a": 1, "b": {"a": 2}}': {"a": 1, "b": {"a": 2}},
    b"9" * 64: int("9" * 64),
    b'{"a": "' + b"[" * 100 + b'"}': {"a": "[" * 100},
}
REFUSED = {
    b"": "body: is not valid JSON",
    b"{} {}": "body: is not valid JSON",
    b"{'a': 1}": "body: is not valid JSON",
    b'{"a": 1,}': "body: is not valid JSON",
    b'{"a": 01}': "body: is not valid JSON",
    b'"a\tb"': "body: is not valid JSON",
    b'"\xff"': "body: is not UTF-8",
    b'"\xed\xa0\x80"': "body: is not UTF-8",
    b"\xef\xbb\xbf{}": "body: begins with a byte order mark",
    "{}".encode("utf-16-le"): "body: is not valid JSON",
    b'{"a": 1, "a": 1}': "a: comes twice",
    b'[{"a": {"b": 1, "c": 2, "b": 3}}]': "b: comes twice",
    b'{"\\ud800": 1, "\\ud800": 1}': "?: comes twice",
    b"NaN": "body: holds NaN, which is not JSON",
    b"[-Infinity]": "body: holds -Infinity, which is not JSON",
    b"1e999": "body: holds a number that is too large",
    b"-" + b"9" * 64: "body: holds a number that is too large",
    b"[" + DEEPEST + b"]": "body: is nested deeper than 20 levels",
    b'{"a":' * 20 + b"[]" + b"}" * 20: "body: is nested deeper than 20 levels",
    b"[" * 60_000: "body: is nested deeper than 20 levels",
    b'"\\udead"': "body: holds U+DEAD, which cannot be printed",
    b'{"a": [1, {"b": "\\ud800"}]}': "a.1.b: holds U+D800, which cannot be printed",
}


@pytest.mark.parametrize(("data", "value"), FINE.items())
def test_json_is_read(data: bytes, value: object) -> None:
    assert read_json(data) == value


def test_json_of_the_deepest_nesting_is_read() -> None:
    assert read_json(DEEPEST)
    assert len(read_json(b"[" + b"[]," * 1_000 + b"[]]")) == 1_001


@pytest.mark.parametrize(("data", "message"), REFUSED.items())
def test_json_that_others_may_read_differently_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_json(data)

    assert caught.value.message == message


@pytest.mark.parametrize("content_type", ["", "application/json", "application/json; charset=UTF-8", "text/plain"])
def test_body_is_read_whatever_else_its_type_says(content_type: str) -> None:
    assert read_body(b"{}", content_type) == {}


@pytest.mark.parametrize("charset", ["utf-16", "gb18030", "'latin-1'", "none", ""])
def test_body_in_another_encoding_is_refused(charset: str) -> None:
    with pytest.raises(Invalid, match="Content-Type"):
        read_body(b"{}", f"application/json; charset={charset}")
