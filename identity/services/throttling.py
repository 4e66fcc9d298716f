"""How often passwords and codes may be tried: for the account and for the place they come from.

A browser in which the person has signed in before counts for itself. All others are slowed down by their address, and
together: whoever tries from a thousand addresses slows down strangers, and not the owner of the account.
"""

import ipaddress
from uuid import UUID

from identity.cookies import KnownDevice
from identity.services.attempts import admit, forgive
from identity.services.sessions import Client

ACCOUNT_FREE = 50  # tries of a password from all strange browsers together, before they wait for each other
IPV6_SITE = 64  # bits that one site has for itself


def network(address: str) -> str:
    """One host for IPv4; for IPv6 the site, whose every machine has more addresses than could be counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004
        return address
    return str(ipaddress.ip_network((parsed, IPV6_SITE), strict=False))


def _device(tenant: UUID, user: UUID, client: Client) -> str:
    """The key of a browser that is known to be this person's, or nothing."""
    device = KnownDevice.read(client.device) if client.device else None
    return device.key if device and device.is_of(tenant, user) else ""


def admit_password(tenant: UUID, user: UUID, client: Client) -> bool:
    if device := _device(tenant, user, client):
        return admit("password", user.hex, "device", device)
    nearby = admit("password", user.hex, "address", network(client.address))
    return nearby and admit("password", user.hex, free=ACCOUNT_FREE)


def admit_code(tenant: UUID, user: UUID, client: Client) -> bool:
    """A million codes are few: strange browsers share one count, wherever they are."""
    device = _device(tenant, user, client)
    return admit("code", user.hex, "device", device) if device else admit("code", user.hex)


def admit_nobody(client: Client) -> bool:
    """For made-up names: one count for all of them, so that they fill neither the table nor the log."""
    return admit("nobody", network(client.address))


def forgive_password(tenant: UUID, user: UUID, client: Client) -> None:
    if device := _device(tenant, user, client):
        forgive("password", user.hex, "device", device)
        return
    forgive("password", user.hex, "address", network(client.address))
    forgive("password", user.hex)


def forgive_code(tenant: UUID, user: UUID, client: Client) -> None:
    device = _device(tenant, user, client)
    forgive("code", user.hex, "device", device) if device else forgive("code", user.hex)
