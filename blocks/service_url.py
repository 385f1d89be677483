"""The address of an outside service: for proxies, gateways and tests. A token goes there, so not anywhere."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def service_url(value: str) -> str:
    """An address without a slash at its end.

    Raises:
        ValueError: it is neither https nor on this machine's loopback, or holds more than host, port and path.
    """
    try:
        url = urlsplit(value.strip())
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise ValueError("is no address: write it as https://host") from None
    if url.username or url.password or url.query or url.fragment or "@" in url.netloc:
        raise ValueError("may hold a host, a port and a path, nothing else")
    if not host or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(host))):
        raise ValueError("must begin with https:// (or be on loopback): a secret is sent there")
    return value.strip().rstrip("/")


ServiceUrl = Annotated[str, AfterValidator(service_url)]
"""A field of a block that holds such an address."""
