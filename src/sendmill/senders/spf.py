"""What a domain's SPF record says of an address (RFC 7208): `check_host`, and what is wrong with the record.

Macros are not expanded: a term that has one matches nothing, and `Spf.has_macros` says that there was one.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sendmill.senders.dns_lookup import Address, Dns

LOOKUP_LIMIT = 10
"""So many terms may need DNS, over all included records (RFC 7208 4.6.4)."""

_QUALIFIERS = {"+": "pass", "": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_mechanism = re.compile(
    r"([+\-~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^/\s]+))?(?:/(\d{1,3}))?(?://(\d{1,3}))?", re.IGNORECASE
).fullmatch
_modifier = re.compile(r"([a-z][a-z0-9._-]*)=(\S*)", re.IGNORECASE).fullmatch


class SpfError(Exception):
    """The record is broken, so that receivers take it for no record (a permanent error)."""


class Term(NamedTuple):
    """A mechanism, or the modifier `redirect`. `prefix` and `prefix6` are the lengths of networks, None when whole."""

    result: str
    name: str
    value: str
    prefix: int | None = None
    prefix6: int | None = None


@dataclass(slots=True)
class Spf:
    """What a look at an address came to: `result` is pass, fail, softfail or neutral."""

    result: str = "neutral"
    lookups: int = 0
    has_macros: bool = False
    included: list[str] = field(default_factory=list)


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def read_terms(record: str) -> list[Term]:
    """The terms of a record in their order; modifiers other than `redirect` are left out. Raises SpfError."""
    terms = []
    for word in record.split()[1:]:
        if found := _mechanism(word):
            qualifier, name, value, prefix, prefix6 = found.groups()
            name = name.lower()
            if name in ("include", "exists", "ip4", "ip6") and not value:
                raise SpfError(f"“{word}” names nothing")
            lengths = [None if length is None else int(length) for length in (prefix, prefix6)]
            terms.append(Term(_QUALIFIERS[qualifier], name, value or "", *lengths))
        elif modifier := _modifier(word):
            if modifier[1].lower() == "redirect":
                terms.append(Term("", "redirect", modifier[2]))
        else:
            raise SpfError(f"“{word}” is no term of SPF")
    return terms


def check_host(dns: Dns, domain: str, record: str, address: Address) -> Spf:
    """What the record of a domain says of an address. Raises SpfError, and DnsUnreachable."""
    spf = Spf()
    spf.result = _evaluate(dns, domain, record, address, spf)
    return spf


def _evaluate(dns: Dns, domain: str, record: str, address: Address, spf: Spf) -> str:
    terms = read_terms(record)
    for term in terms:
        if term.name != "redirect" and _matches(dns, domain, term, address, spf):
            return term.result
    for term in terms:
        if term.name == "redirect" and "%" not in term.value:
            _count_lookup(spf)
            return _evaluate(dns, term.value, _record_of(dns, term.value), address, spf)
    return "neutral"


def _matches(dns: Dns, domain: str, term: Term, address: Address, spf: Spf) -> bool:
    if "%" in term.value:
        spf.has_macros = True
        return False
    if term.name == "all":
        return True
    if term.name in ("ip4", "ip6"):
        return _is_in(address, _parsed(term), term)
    _count_lookup(spf)
    target = term.value or domain
    if term.name == "include":
        spf.included.append(target.lower())
        return _evaluate(dns, target, _record_of(dns, target), address, spf) == "pass"
    if term.name == "exists":
        return bool(dns.addresses(target))
    hosts = [target] if term.name == "a" else dns.mail_servers(target) if term.name == "mx" else []
    return any(_is_in(address, found, term) for found in _addresses(dns, hosts))


def _addresses(dns: Dns, hosts: list[str]) -> Iterator[Address]:
    for host in hosts:
        yield from dns.addresses(host)


def _parsed(term: Term) -> Address:
    try:
        address = ipaddress.ip_address(term.value)
    except ValueError:
        raise SpfError(f"“{term.value}” is no address") from None
    if address.version != int(term.name[-1]):
        raise SpfError(f"“{term.name}:{term.value}” is an address of the other kind")
    return address


def _is_in(address: Address, network: Address, term: Term) -> bool:
    if address.version != network.version:
        return False
    # `ip6:…/32` has one length, `a/24//64` has one for each kind.
    length = term.prefix if address.version == 4 or term.name == "ip6" else term.prefix6
    if length is None:
        return address == network
    if length > network.max_prefixlen:
        raise SpfError(f"/{length} is longer than an address")
    return address in ipaddress.ip_network((network, length), strict=False)


def _record_of(dns: Dns, domain: str) -> str:
    found = [text for text in dns.texts(domain) if is_spf(text)]
    if len(found) != 1:
        raise SpfError(f"it includes {domain}, which has {len(found) or 'no'} SPF record{'s' if found else ''}")
    return found[0]


def _count_lookup(spf: Spf) -> None:
    spf.lookups += 1
    if spf.lookups > LOOKUP_LIMIT:
        raise SpfError(f"it needs more than {LOOKUP_LIMIT} look-ups in DNS, which receivers don't make")
