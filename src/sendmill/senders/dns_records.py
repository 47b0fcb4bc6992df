"""What DNS says of a sending domain, and the exact records to add: SPF, DKIM, DMARC, and that it can receive mail.

`check_domain` asks; each `…_check` below decides, from what was found alone.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from django.db.models import Q

from sendmill.accounts.models import Client
from sendmill.senders import dkim_keys
from sendmill.senders.dns_lookup import Address, Dns, DnsUnreachable
from sendmill.senders.models import DkimKey
from sendmill.senders.spf import Spf, SpfError, check_host, is_spf, read_terms

_NOBODY = ipaddress.ip_address("192.0.2.1")
"""An address that no record names (RFC 5737): what is said of it takes every look-up that a record can need."""


class RecordState(StrEnum):
    """`advice`: mail gets through, and somebody should look at this. `unknown`: DNS has not answered."""

    GOOD = "good"
    ADVICE = "advice"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """One thing that DNS should say. `found` is what stands there now, `wanted` the value to publish in its place.

    `found` is somebody else's text: it is to be escaped where it is shown.
    """

    subject: str
    name: str
    type: str
    state: RecordState
    explanation: str
    found: tuple[str, ...] = ()
    wanted: str | None = None

    @property
    def is_without_key(self) -> bool:
        """Whether there is nothing to publish yet: the domain's mail is not signed at all."""
        return self.subject == "DKIM" and self.state is RecordState.MISSING and self.wanted is None


def check_domain(domain: str, client: Client | None, relay_hosts: Sequence[str], dns: Dns) -> list[RecordCheck]:
    """What DNS says of a domain (see `dkim_keys.checked_domain`) that mail is sent from through these mail servers.

    `client` is whose mail it is, None for everybody's. Ends within the budget of `dns`.
    """
    name = f"_dmarc.{domain}"
    return [
        _or_unknown("SPF", domain, "TXT", partial(_check_spf, domain, relay_hosts, dns)),
        *_check_keys(domain, client, dns),
        _or_unknown("DMARC", name, "TXT", partial(_check_dmarc, domain, dns)),
        _or_unknown("MX", domain, "MX", lambda: mx_check(domain, dns.mail_servers(domain), dns.addresses(domain))),
    ]


def check_relay_host(host: str, dns: Dns) -> RecordCheck:
    """Whether a mail server's addresses point back to a name that leads to them, which many receivers ask for."""
    return _or_unknown("PTR", host, "PTR", partial(_check_pointers, host, dns))


def _or_unknown(subject: str, name: str, kind: str, check: Callable[[], RecordCheck]) -> RecordCheck:
    try:
        return check()
    except DnsUnreachable as error:
        return RecordCheck(subject, name, kind, RecordState.UNKNOWN, f"Not known: {error}.")


# SPF ----------------------------------------------------------------------------------------------------------------


def _check_spf(domain: str, relay_hosts: Sequence[str], dns: Dns) -> RecordCheck:
    found = [text for text in dns.texts(domain) if is_spf(text)]
    relays = {host: [a for a in dns.addresses(host) if a.is_global] for host in relay_hosts}
    if len(found) != 1:
        return spf_count_check(domain, found, [host for host in relays if relays[host]])
    try:
        whole = check_host(dns, domain, found[0], _NOBODY)
        results = {
            host: [check_host(dns, domain, found[0], address) for address in addresses]
            for host, addresses in relays.items()
        }
    except SpfError as error:
        return RecordCheck(
            "SPF",
            domain,
            "TXT",
            RecordState.WRONG,
            f"The record is broken: {error}. Receivers ignore it.",
            tuple(found),
        )
    return spf_result_check(domain, found[0], whole, results)


def spf_count_check(domain: str, found: Sequence[str], public_hosts: Sequence[str]) -> RecordCheck:
    """For a domain that has no SPF record, or several."""
    if found:
        text = f"There are {len(found)} SPF records, and receivers then ignore all of them: make them one."
        return RecordCheck("SPF", domain, "TXT", RecordState.WRONG, text, tuple(found))
    if public_hosts:
        wanted = f"v=spf1 {' '.join(map(_mechanism, public_hosts))} ~all"
        text = (
            "No record says who may send for this domain. This one allows the mail server; one of a provider that "
            "sends from other addresses is allowed by the `include:` that the provider names."
        )
        return RecordCheck("SPF", domain, "TXT", RecordState.MISSING, text, wanted=wanted)
    text = (
        "No record says who may send for this domain. This one allows its own mail servers (MX); add `ip4:` and the "
        "public address that mail leaves from if it is another, or the `include:` that your provider names."
    )
    return RecordCheck("SPF", domain, "TXT", RecordState.MISSING, text, wanted="v=spf1 mx ~all")


def spf_result_check(domain: str, record: str, whole: Spf, results: dict[str, list[Spf]]) -> RecordCheck:
    """For a domain with one record. `whole` is what it says of nobody, `results` of each mail server's addresses."""

    def check(state: RecordState, text: str, wanted: str | None = None) -> RecordCheck:
        return RecordCheck("SPF", domain, "TXT", state, text, (record,), wanted)

    if whole.result == "pass":
        return check(RecordState.WRONG, "The record allows the whole world to send for this domain (`+all`).")
    refused = [host for host, found in results.items() if not _is_allowed(host, found, whole)]
    if refused and not whole.has_macros:
        text = (
            f"The record does not allow {', '.join(refused)}. If mail leaves from there, publish the record below in "
            "its place; a provider may send from other addresses, then its `include:` is what counts."
        )
        return check(RecordState.ADVICE, text, _with_hosts(record, refused))
    if whole.result == "neutral" and not whole.has_macros:
        return check(RecordState.ADVICE, "The record has no `~all` or `-all` at its end, so it refuses nobody.")
    if not any(results.values()):
        return check(RecordState.GOOD, "The record is sound. From which address mail leaves can't be seen from here.")
    return check(RecordState.GOOD, "The record allows the mail server.")


def _is_allowed(host: str, found: Sequence[Spf], whole: Spf) -> bool:
    """Whether all its addresses may send, or the record includes one of its own provider's."""
    provider = host.lower().rstrip(".").split(".")[-2:]
    return all(spf.result == "pass" for spf in found) or any(
        included.rstrip(".").split(".")[-2:] == provider for included in whole.included
    )


def _with_hosts(record: str, hosts: Sequence[str]) -> str:
    """The record with these hosts allowed, before the term that matches everybody."""
    words = record.split()
    last = next((index for index, word in enumerate(words) if _ends_record(word)), len(words))
    return " ".join([*words[:last], *map(_mechanism, hosts), *words[last:]])


def _mechanism(host: str) -> str:
    """The term that allows a mail server."""
    try:
        return f"ip{ipaddress.ip_address(host).version}:{host}"
    except ValueError:
        return f"a:{host}"


def _ends_record(word: str) -> bool:
    return any(term.name in ("all", "redirect") for term in read_terms(f"v=spf1 {word}"))


# DKIM ---------------------------------------------------------------------------------------------------------------


def _check_keys(domain: str, client: Client | None, dns: Dns) -> list[RecordCheck]:
    """One check for each key that may sign the domain's mail: those of the nearest domain that has any."""
    labels = domain.split(".")
    for index in range(len(labels) - 1):
        rows = DkimKey.objects.filter(domain=".".join(labels[index:])).order_by("-created_on", "-pk")
        if client is not None:
            rows = rows.filter(Q(client=None) | Q(client=client))
        found = [_or_unknown("DKIM", str(row), "TXT", partial(_check_key, row, dns)) for row in rows]
        if found:
            return found
    text = "Mail from this domain is not signed: it has no DKIM key."
    return [RecordCheck("DKIM", f"_domainkey.{domain}", "TXT", RecordState.MISSING, text)]


def _check_key(row: DkimKey, dns: Dns) -> RecordCheck:
    try:
        wanted = dkim_keys.public_key_record(dkim_keys.stored_key(row))
    except dkim_keys.UnreadableKey as error:
        return RecordCheck("DKIM", str(row), "TXT", RecordState.WRONG, str(error))
    return dkim_check(str(row), wanted, dns.texts(str(row)))


def dkim_check(name: str, wanted: str, found: Sequence[str]) -> RecordCheck:
    """Compare what stands in DNS with the record that the key needs."""

    def check(state: RecordState, text: str) -> RecordCheck:
        return RecordCheck(
            "DKIM", name, "TXT", state, text, tuple(found), None if state is RecordState.GOOD else wanted
        )

    if not found:
        return check(RecordState.MISSING, "The key's record is not there: receivers can't verify the signatures.")
    if len(found) > 1:
        return check(RecordState.WRONG, "There are several records at this name: receivers may take any of them.")
    ours, theirs = _tags(wanted), _tags(found[0])
    if not theirs.get("p"):
        return check(RecordState.WRONG, "The record has no key in it, which means that the key was revoked.")
    if theirs["p"] != ours["p"] or theirs.get("k", "rsa") != ours["k"]:
        return check(RecordState.WRONG, "The record holds another key: no signature will be valid.")
    if "sha256" not in theirs.get("h", "sha256") or theirs.get("s", "*") not in ("*", "email"):
        return check(RecordState.WRONG, "The record's h= or s= does not allow this use of the key.")
    if "y" in theirs.get("t", "").split(":"):
        return check(RecordState.ADVICE, "The record says that it is a test (t=y): receivers may ignore it.")
    return check(RecordState.GOOD, "The key's record is there.")


def _tags(record: str) -> dict[str, str]:
    """A tag list (RFC 6376 3.2), white space taken out of the values."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs if name.strip()}


# DMARC --------------------------------------------------------------------------------------------------------------


def _check_dmarc(domain: str, dns: Dns) -> RecordCheck:
    """The record of the domain, or of the nearest domain above it: receivers look there too."""
    labels = domain.split(".")
    for index in range(len(labels) - 1):
        name = f"_dmarc.{'.'.join(labels[index:])}"
        found = [text for text in dns.texts(name) if _is_dmarc(text)]
        if found:
            return dmarc_check(name, domain, found, is_own=index == 0)
    return dmarc_check(f"_dmarc.{domain}", domain, [], is_own=True)


def _is_dmarc(text: str) -> bool:
    return "".join(text.split(";")[0].split()).upper() == "V=DMARC1"


def dmarc_check(name: str, domain: str, found: Sequence[str], is_own: bool) -> RecordCheck:
    """`is_own`: the record stands at the domain itself and not above it."""

    def check(state: RecordState, text: str, wanted: str | None = None) -> RecordCheck:
        return RecordCheck("DMARC", name, "TXT", state, text, tuple(found), wanted)

    plain = f"v=DMARC1; p=none; rua=mailto:dmarc-reports@{domain}"
    if not found:
        text = (
            "There is no policy; large providers refuse bulk mail without one. This one changes nothing yet and has "
            "reports sent to the address in it, which must exist."
        )
        return check(RecordState.MISSING, text, plain)
    if len(found) > 1:
        return check(RecordState.WRONG, "There are several policies, and receivers then ignore all of them.")
    tags = _tags(found[0])
    policy = tags.get("p", "").lower() if is_own else tags.get("sp", tags.get("p", "")).lower()
    if policy not in ("none", "quarantine", "reject"):
        return check(RecordState.WRONG, "The policy has no valid p=: receivers ignore it.", plain)
    if policy == "none":
        return check(RecordState.GOOD, "There is a policy. It only watches (none): forged mail is not refused.")
    return check(RecordState.GOOD, f"There is a policy: {policy} what is not signed or sent by whom SPF names.")


# Others -------------------------------------------------------------------------------------------------------------


def mx_check(domain: str, servers: Sequence[str], addresses: Sequence[Address]) -> RecordCheck:
    """Whether the domain takes mail: answers and failure reports go to the from-address."""

    def check(state: RecordState, text: str) -> RecordCheck:
        return RecordCheck("MX", domain, "MX", state, text, tuple(servers))

    if "" in servers:
        return check(RecordState.WRONG, "The domain says that it takes no mail: many receivers refuse what it sends.")
    if servers:
        return check(RecordState.GOOD, "The domain takes mail.")
    if addresses:
        return check(RecordState.ADVICE, "The domain has no MX record; its own address is tried instead.")
    return check(RecordState.WRONG, "The domain can't receive mail: many receivers refuse what it sends.")


def _check_pointers(host: str, dns: Dns) -> RecordCheck:
    addresses = [address for address in dns.addresses(host) if address.is_global]
    if not addresses:
        text = "It has no public address: what receivers see is the address that its mail leaves from."
        return RecordCheck("PTR", host, "PTR", RecordState.GOOD, text)
    lost = [
        str(address)
        for address in addresses
        if not any(address in dns.addresses(name) for name in dns.names_of(address))
    ]
    if lost:
        text = f"{', '.join(lost)} does not point back to a name that leads there: receivers may refuse its mail."
        return RecordCheck("PTR", host, "PTR", RecordState.ADVICE, text, wanted=host)
    return RecordCheck("PTR", host, "PTR", RecordState.GOOD, "Its addresses point back to it.")
