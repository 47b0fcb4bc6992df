"""Failed logins, which django-axes counts in the database for all nodes: where they come from, how long they lock."""

import ipaddress
from datetime import timedelta
from math import ceil

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max
from django.utils import timezone


def client_address(peer: str, forwarded: str) -> str | None:
    """Where a request comes from: `peer` is the connection's other end, `forwarded` what X-Forwarded-For says.

    Behind a reverse proxy on this machine every connection comes from loopback, and the proxy has put the address it
    saw at the end of X-Forwarded-For. From anywhere else that header is the client's own invention.
    """
    connected = _address(peer)
    if connected is None or not connected.is_loopback:
        return str(connected) if connected else None
    return str(_address(forwarded.rpartition(",")[2]) or connected)


def seconds_locked(username: str, address: str | None) -> int:
    """How long a login that is locked for this user name and address stays so, at least 1."""
    failures = AccessAttempt.objects.filter(username=username, ip_address=address)
    last = failures.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    return max(1, ceil((last + cool_off - timezone.now()).total_seconds()))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
