"""Questions to DNS that end soon, whatever DNS does.

What isn't there is an empty answer; that nobody answers is `DnsUnreachable`, and the two are never mixed up. One `Dns`
is for one report: it remembers what it asked, and has a budget of seconds for all of it.
"""

import ipaddress
import time
from collections.abc import Sequence

import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from sendmill.errors import SendmillError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

QUESTION_SECONDS = 3.0
BUDGET_SECONDS = 10.0


class DnsUnreachable(SendmillError):
    """No DNS server has answered this question: nothing is known."""


class Dns:
    """Asks `servers` (address and port), or those of the system without any."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), budget_seconds: float = BUDGET_SECONDS) -> None:
        self._ends = time.monotonic() + budget_seconds
        self._known: dict[tuple[dns.name.Name, str], list[dns.rdata.Rdata] | DnsUnreachable] = {}
        self._has_answered = False
        self._resolver: dns.resolver.Resolver | None = None
        try:
            self._resolver = dns.resolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            return
        if servers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name, the strings of each put together."""
        found = [record for record in self._ask(name, "TXT") if isinstance(record, TXT)]
        return [b"".join(record.strings).decode("utf-8", "replace") for record in found]

    def addresses(self, host: str) -> list[Address]:
        """The IPv4 and IPv6 addresses of a name; an address is its own."""
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        found = [*self._ask(host, "A"), *self._ask(host, "AAAA")]
        return [ipaddress.ip_address(record.to_text()) for record in found]

    def mail_servers(self, domain: str) -> list[str]:
        """The names in a domain's MX records, the preferred first; "" is that of a null MX (RFC 7505)."""
        found = sorted(
            (record for record in self._ask(domain, "MX") if isinstance(record, MX)),
            key=lambda record: record.preference,
        )
        return [record.exchange.to_text(omit_final_dot=True).rstrip(".") for record in found]

    def names_of(self, address: Address) -> list[str]:
        """The names that an address points back to (PTR)."""
        name = dns.reversename.from_address(str(address)).to_text()
        return [record.to_text().rstrip(".").lower() for record in self._ask(name, "PTR")]

    def _ask(self, text: str, kind: str) -> list["dns.rdata.Rdata"]:
        try:
            name = dns.name.from_text(text)
        except dns.exception.DNSException:
            return []  # what can't be a name has no records
        question = (name, kind)
        if question not in self._known:
            try:
                self._known[question] = self._answer(name, kind)
            except DnsUnreachable as error:
                self._known[question] = error
        known = self._known[question]
        if isinstance(known, DnsUnreachable):
            raise known
        return known

    def _answer(self, name: dns.name.Name, kind: str) -> list["dns.rdata.Rdata"]:
        if self._resolver is None:
            raise DnsUnreachable("this machine has no DNS server configured (/etc/resolv.conf)")
        left = min(QUESTION_SECONDS, self._ends - time.monotonic())
        if left <= 0:
            raise DnsUnreachable("DNS took too long")
        try:
            found = list(self._resolver.resolve(name, kind, lifetime=left, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            found = []
        except dns.exception.Timeout:
            if not self._has_answered:
                self._ends = time.monotonic()  # nobody is there: the other questions needn't wait as long
            raise DnsUnreachable(f"no DNS server has answered within {left:.0f} s") from None
        except dns.exception.DNSException as error:
            raise DnsUnreachable(f"DNS failed for {name.to_text(True)} ({type(error).__name__})") from None
        self._has_answered = True
        return found
