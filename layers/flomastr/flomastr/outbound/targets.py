"""Where requests may go that tenants ask for: to hosts on the internet, by https, and to nothing that only we reach."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from flomastr.http.patterns import REFUSALS, WEBHOOK_URL
from flomastr.settings import settings

# Of the local platform, if its settings say so.
LOCAL_URL = re.compile(r"http://127\.0\.0\.1(:[0-9]{1,5})?([/?][!-~]*)?")
# Of the global unicast addresses. What is outside, such as NAT64's 64:ff9b::/96, may carry any IPv4 address.
GLOBAL = IPv6Network("2000::/3")
EXCEPT = tuple(map(IPv6Network, ("2001::/32", "2002::/16", "3fff::/20")))  # Teredo, 6to4, documentation
# Of networks of one's own: neither this machine nor its metadata, which are never meant.
PRIVATE = (
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    IPv6Network("fc00::/7"),
)
METADATA = (ip_address("fd00:ec2::254"), ip_address("fd00:ec2::253"), ip_address("fd00:ec2::123"))  # AWS's


def refuse_other_targets(url: str) -> str:
    """The URL, if a request may be sent to it. Raises ValueError."""
    if not re.fullmatch(WEBHOOK_URL, url) and not is_local(url):
        raise ValueError(REFUSALS[WEBHOOK_URL])
    return url


def is_local(url: str) -> bool:
    """Whether the URL is of this machine, and this is the local platform, whose settings allow that."""
    return settings().webhooks_to_localhost == "yes" and bool(LOCAL_URL.fullmatch(url))


def is_public(address: str) -> bool:
    """Whether an IP address, as the resolver gives it, is on the internet and carries no other address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    match parsed:
        case IPv4Address():
            return parsed.is_global and not parsed.is_multicast
        case IPv6Address():
            is_plain = parsed in GLOBAL and not any(parsed in network for network in EXCEPT)
            return is_plain and parsed.is_global and parsed.scope_id is None


def is_private(address: str) -> bool:
    """Whether an IP address is of a private network in which a server of a tenant's may stand."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed not in METADATA and any(parsed in network for network in PRIVATE)
