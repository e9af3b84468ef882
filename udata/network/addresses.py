"""Which addresses may be asked: nothing inside the operator's own network, unless a setting allows it."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from yarl import URL

from udata.errors import ConfigurationError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Forms of IPv6 that carry an IPv4 address in their last 32 bits: mapped (RFC 4291), compatible (the same, deprecated),
# translated (RFC 7915), NAT64 (RFC 6052).
_LAST_32_BITS = tuple(
    map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
)  # fmt: skip
# 6to4 (RFC 3056) carries it behind its first 16 bits.
_6TO4 = ipaddress.IPv6Network("2002::/16")

# What is assigned to anybody at all: https://www.iana.org/assignments/ipv6-address-space
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Special ones that `ipaddress` calls global in some of its versions:
# https://www.iana.org/assignments/iana-ipv4-special-registry and its sister for IPv6.
_SPECIAL: tuple[Network, ...] = (
    *map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4")),
    *map(ipaddress.IPv6Network, ("2001::/23", "3fff::/20")),
)
# What `URLS_ALLOW_PRIVATE` opens. Link-local addresses are not among them: a cloud's metadata have one.
_PRIVATE: tuple[Network, ...] = (
    *map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")),
    *map(ipaddress.IPv6Network, ("fc00::/7", "::1/128")),
)

# As DNS has them: RFC 1035, 2.3.4.
_LONGEST_NAME, _LONGEST_LABEL = 253, 63


def parsed(address: str) -> URL:
    """The address as one that can be asked. Raises ValueError, which says why it is none."""
    text = address.strip()
    # Of what is white only the plain space is printable.
    if " " in text or not text.isprintable():
        raise ValueError("it has spaces or control characters in it")
    url = URL(text)
    if url.scheme not in ("http", "https"):
        raise ValueError(f"its scheme is {url.scheme[:20]!r}, not http or https")
    # `raw_host` is the name as it is asked for, in ASCII.
    name = (url.raw_host or "").rstrip(".")
    if not name or len(name) > _LONGEST_NAME or not 0 < (url.port or 0) < 2**16:
        raise ValueError("it names no host")
    # A colon stands in addresses of IPv6 alone, which have no labels.
    if ":" not in name and not all(0 < len(label) <= _LONGEST_LABEL for label in name.split(".")):
        raise ValueError("its host is no name")
    return url


def host_of(address: str | URL) -> str:
    """The host that an address names, in small letters and as it is asked for; empty if it names none."""
    try:
        url = address if isinstance(address, URL) else URL(address.strip())
        return (url.raw_host or "").rstrip(".").lower()
    except ValueError:
        return ""


def inner(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    # `::` and `::1` lie in `::/96`, and stand for no address of IPv4.
    if isinstance(address, ipaddress.IPv6Address) and int(address) > 1:
        if address in _6TO4:
            return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
        if any(address in network for network in _LAST_32_BITS):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_global(address: IPAddress) -> bool:
    """Whether the address, or the one that it stands for, is one of the public internet."""
    judged = inner(address)
    if isinstance(judged, ipaddress.IPv6Address) and judged not in _GLOBAL_UNICAST:
        return False
    # `ipaddress` calls multicast addresses global, too.
    return judged.is_global and not judged.is_multicast and not _within(judged, _SPECIAL)


class Guard:
    """What the settings allow beside the public internet.

    `HTTP_ALLOW_PRIVATE` is a list of networks, and if it is set, the whole of what is allowed; else
    `URLS_ALLOW_PRIVATE` opens the private networks and this machine, `URLS_ALLOW_LOCAL` this machine alone.
    Raises ConfigurationError if one of them is no network.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.allowed = _allowed(settings)

    def refusal(self, host: str) -> str | None:
        """Why nothing connects to `host`, an address in figures; None if it may be asked."""
        try:
            # The zone of a link-local address is no part of what is compared.
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return f"{host} is no address"
        judged = inner(address)
        if is_global(address) or _within(judged, self.allowed) or _within(address, self.allowed):
            return None
        stands_for = "" if judged == address else f", which stands for {judged},"
        return f"{address}{stands_for} is no address of the public internet"


def _allowed(settings: Mapping[str, Any]) -> tuple[Network, ...]:
    named = settings.get("HTTP_ALLOW_PRIVATE")
    # An empty list allows nothing; that is another thing than no list.
    if named is not None:
        try:
            # Not strict: `10.1.2.3/16` means the network that it is in.
            return tuple(ipaddress.ip_network(str(network), strict=False) for network in named)
        except ValueError as error:
            raise ConfigurationError(
                f"HTTP_ALLOW_PRIVATE holds what is no network: {error}", 'as in ["10.1.0.0/16", "192.168.7.20"]'
            ) from error
    if settings.get("URLS_ALLOW_PRIVATE"):
        return _PRIVATE
    if settings.get("URLS_ALLOW_LOCAL"):
        return tuple(network for network in _PRIVATE if network.network_address.is_loopback)
    return ()


def _within(address: IPAddress, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
