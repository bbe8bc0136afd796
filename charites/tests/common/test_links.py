import pytest

from charites.common.links import find_bad_link, is_link


@pytest.mark.parametrize(
    "text",
    [
        "/media/a.webp",
        "/static/catalogue/room-1.svg?v=2#x",
        "/图片/茶.webp",
        "/",
        "https://cdn.example.com/a.webp",
        "HTTPS://cdn.example.com:8443",
        "https://例子.example/a.webp",
    ],
)
def test_path_of_this_host_and_address_over_https_are_links(text: str) -> None:
    assert is_link(text)
    assert find_bad_link("cover", [text]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.svg",
        "//evil.example/x",
        "/\\evil.example/x",
        "\\\\evil.example/x",
        "/\t/evil.example/x",
        "/a b.webp",
        "/a\x00.webp",
        " /a.webp",
        "http://example.com/a.webp",
        "https://",
        "https:///evil.example",
        "https://:443/a.webp",
        "https://shop@evil.example/a.webp",
        "https:/a.webp",
        "javascript:alert(1)",
        "data:image/svg+xml,<svg/>",
    ],
)
def test_everything_else_is_named(text: str) -> None:
    fault = find_bad_link("cover", ["/a.webp", text])

    assert fault is not None
    assert (fault.details["field"], fault.details["link"]) == ("cover", text)
