"""Where callers are: what proxies say counts as far as there are proxies."""

import pytest

from charites.common.addresses import caller_address, host_of, network_of

LONG = "1" * 46


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "10.0.0.1"),
        (0, "1.2.3.4", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "1.2.3.4", "1.2.3.4"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4,10.0.0.2", "1.2.3.4"),
        (2, "1.2.3.4", "1.2.3.4"),
        (1, " 2001:db8::1 ", "2001:db8::1"),
        (1, "6.6.6.6, 1.2.3.4:50123", "1.2.3.4"),
        (1, "[2001:db8::1]:50123", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        (1, "1.2.3.4, <script>", "10.0.0.1"),
        (1, "a name", "10.0.0.1"),
        (1, LONG, "10.0.0.1"),
        (1, "1.2.3.4,", "10.0.0.1"),
    ],
)
def test_address_is_what_the_last_of_our_proxies_says(settings, proxies: int, forwarded: str, address: str) -> None:
    settings.NUM_PROXIES = proxies

    assert caller_address("10.0.0.1", forwarded) == address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.5:1234", "10.0.0.5"),
        ("ipv6:%5B::1%5D:1234", "::1"),
        ("ipv6:[::1]:1", "::1"),
        ("unix:/tmp/s:1", ""),
    ],
)
def test_address_of_a_peer_is_without_its_port(peer: str, address: str) -> None:
    assert host_of(peer) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("a socket", "a socket"),
        ("", ""),
    ],
)
def test_caller_of_ipv6_is_his_network(address: str, network: str) -> None:
    assert network_of(address) == network
