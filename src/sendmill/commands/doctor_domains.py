"""The doctor's look at DNS: what it says of the domains that mail is sent from, and of the mail servers."""

from collections.abc import Sequence

from django.conf import settings

from sendmill.addresses import domain_of
from sendmill.commands.finding import Finding, FindingState
from sendmill.delivery.relays import Relay
from sendmill.senders.dkim_keys import checked_domain
from sendmill.senders.dns_lookup import Dns
from sendmill.senders.dns_records import RecordCheck, RecordState, check_domain, check_relay_host
from sendmill.senders.models import Sender

MOST_DOMAINS = 20
SECONDS = 15.0

_STATES: dict[RecordState, FindingState] = {
    RecordState.GOOD: "ok",
    RecordState.ADVICE: "notice",
    RecordState.UNKNOWN: "notice",
    RecordState.MISSING: "problem",
    RecordState.WRONG: "problem",
}


def examine_domains(relays: Sequence[Relay], chosen: Sequence[str]) -> list[Finding]:
    """What DNS says of the chosen domains, or of those of all registered from-addresses. Raises InvalidField."""
    hosts = [relay.host for relay in relays if relay.kind == "smtp"]
    if not hosts and not chosen:
        return [Finding("DNS", "ok", "not looked at: no mail leaves this machine")]
    domains = [checked_domain(domain) for domain in chosen] or sorted(_domains_of_senders())
    dns = Dns(settings.SENDMILL_DNS_SERVERS, SECONDS)
    found = [_finding(check_relay_host(host, dns), host) for host in dict.fromkeys(hosts)]
    for domain in domains[:MOST_DOMAINS]:
        found += [_finding(check, domain) for check in check_domain(domain, None, hosts, dns)]
    if len(domains) > MOST_DOMAINS:
        text = f"{len(domains) - MOST_DOMAINS} more domains were not looked at"
        found.append(Finding("DNS", "notice", text, "Name one with --domain."))
    return found


def _domains_of_senders() -> set[str]:
    return {domain_of(email) for email in Sender.objects.values_list("email", flat=True).iterator()}


def _finding(check: RecordCheck, about: str) -> Finding:
    advice = ""
    if check.state is not RecordState.GOOD and check.wanted is not None:
        advice = f"Publish: {check.name} {check.type} {check.wanted}"
    elif check.state is RecordState.UNKNOWN:
        advice = "Check that this machine reaches a DNS server, or set SENDMILL_DNS_SERVERS."
    elif check.is_without_key:
        advice = "`sendmill dkim add DOMAIN` makes one."
    elif check.state is not RecordState.GOOD:
        advice = "docs/deliverability.md says what each record is for."
    return Finding(f"{check.subject} of {about}", _STATES[check.state], check.explanation, advice)
