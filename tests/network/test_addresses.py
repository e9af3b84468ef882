"""Which addresses may be asked, in all the forms that an address has."""

from typing import Any

import pytest

from udata.errors import ConfigurationError
from udata.network.addresses import Guard, parsed

NOTHING_ALLOWED: dict[str, Any] = {}


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "203.0.113.5",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1",
        "::ffff:10.0.0.1", "::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1",
        "2002:a00:1::", "2002:7f00:1::1", "2001:0:a00:1::1", "nonsense",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert Guard(NOTHING_ALLOWED).refusal(address)


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "2a00:1450:4007:80c::2003", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e", "2002:5db8:d70e::1"],
)
def test_public_addresses_are_asked_in_every_form(address: str) -> None:
    assert Guard(NOTHING_ALLOWED).refusal(address) is None


def test_the_refusal_names_the_address_within() -> None:
    refusal = Guard(NOTHING_ALLOWED).refusal("64:ff9b::a00:1")
    assert refusal == "64:ff9b::a00:1, which stands for 10.0.0.1, is no address of the public internet"


def test_a_network_that_is_named_is_allowed_and_no_other_is() -> None:
    guard = Guard({"HTTP_ALLOW_PRIVATE": ["10.1.0.0/16", "192.168.7.20"], "URLS_ALLOW_PRIVATE": True})
    assert guard.refusal("10.1.2.3") is None
    assert guard.refusal("::ffff:10.1.2.3") is None
    assert guard.refusal("192.168.7.20") is None
    assert guard.refusal("10.2.0.1")
    assert guard.refusal("127.0.0.1")


def test_a_portals_own_settings_open_private_networks_but_not_the_metadata_of_a_cloud() -> None:
    private, local = Guard({"URLS_ALLOW_PRIVATE": True}), Guard({"URLS_ALLOW_LOCAL": True})
    assert private.refusal("10.2.0.1") is None
    assert private.refusal("127.0.0.1") is None
    assert private.refusal("169.254.169.254")
    assert local.refusal("127.0.0.1") is None
    assert local.refusal("::1") is None
    assert local.refusal("10.2.0.1")


def test_what_is_no_network_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="HTTP_ALLOW_PRIVATE"):
        Guard({"HTTP_ALLOW_PRIVATE": ["intranet"]})


@pytest.mark.parametrize(
    "text",
    [
        "", "nothing", "ftp://h/x", "file:///etc/passwd", "http://", "http:///x", "http:// Localisation des offices/",
        f"http://{'a' * 70}.example.org/", f"http://{'a.' * 150}org/", "http://a..b/", "http://h:99999/", "http://h:x/",
        "http://[::1/", "http://h/\x1b[2J", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_address_is_told_as_such(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)


def test_an_address_with_accents_is_one() -> None:
    assert parsed(" https://données.example.org/été?q=à ").raw_host == "xn--donnes-eva.example.org"
