"""How a person is erased, in steps; each is short, and can be repeated without harm.

    ask: never mailed again, opt-outs forgotten (at once)
    contacts   out of all groups, when no import is under way
    results    their copies and the mail servers' earlier replies, chunk by chunk; one in a worker's hands is waited for
    rejected   rows that imports rejected
    log        mentions in the audit log, and what a link in a message did while this was asked for
    done       the address itself

An import under way may have read the address already, and a campaign that is expanding may still write a result: so
these are waited for. What an import brings that began later is somebody's new decision, and is not mailed all the same;
it is waited for only while it is being applied, for of a client that imports all day one is always under way.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum, auto

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from sendmill.accounts.audit import replace_in_log
from sendmill.accounts.models import Client
from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.campaigns.drafts import forget_rows
from sendmill.campaigns.models import Campaign, Phase
from sendmill.contacts.models import ContactGroup, Import, ImportPiece, ImportState, RejectedRow
from sendmill.contacts.of_address import remove_address
from sendmill.delivery.chunk_counts import free_chunk
from sendmill.delivery.clock import now_ms
from sendmill.delivery.models import CHUNK_SHIFT, Chunk, Delivery, DeliveryAttempt, Expansion
from sendmill.delivery.statements import statement
from sendmill.delivery.states import FIRST_FINAL, State
from sendmill.errors import InvalidField, NotFound
from sendmill.ids import parse_object_id
from sendmill.optouts.registry import forget_address
from sendmill.optouts.suppressions import ERASED_ADDRESS, find_suppression, suppress
from sendmill.people.models import Erasure, Stage
from sendmill.results.of_address import rows_of_address, runs

CHUNKS_AT_ONCE = 100
REJECTED_AT_ONCE = 5_000
ENTRIES_AT_ONCE = 5_000
PAGE_ROWS = 2_000
_UNDER_WAY = (ImportState.WAITING, ImportState.RECEIVING, ImportState.APPLYING)
_MARGIN = timedelta(minutes=1)  # the clocks of several machines differ
ERASED_TEXT = "[erased]"


class Step(Enum):
    """What there is to do after a step."""

    MORE = auto()
    WAIT = auto()
    FINISHED = auto()


@transaction.atomic
def ask(client: Client, email: str, *, requested_by: str) -> Erasure:
    """From this moment on the address is never mailed; the rest is up to `take_step`. Raises InvalidField("email")."""
    try:
        key = address_key(parse_address(email))
    except InvalidAddress as error:
        raise InvalidField("email", error.reason) from None
    suppress(client, key)
    forget_address(client, key)
    return Erasure.objects.create(client=client, email_key=key, requested_by=requested_by, requested_on=timezone.now())


def find_erasure(client: Client, object_id: str) -> Erasure:
    """The client's erasure with this id. Raises NotFound."""
    found = Erasure.objects.filter(client=client, object_id=parse_object_id(object_id)).select_related("client").first()
    if found is None:
        raise NotFound("There is no such erasure.")
    return found


def erasure_pages(client: Client) -> Iterator[list[Erasure]]:
    """The client's erasures, oldest first, in short reads."""
    rows = Erasure.objects.filter(client=client).select_related("client").order_by("pk")
    last = 0
    while page := list(rows.filter(pk__gt=last)[:PAGE_ROWS]):
        yield page
        last = page[-1].pk


def unfinished() -> list[int]:
    """The erasures that there is something left to do of, oldest first."""
    return list(Erasure.objects.filter(finished_on=None).order_by("pk").values_list("pk", flat=True))


def take_step(erasure_id: int) -> Step:
    """Do a piece of what is left of an erasure."""
    erasure = Erasure.objects.select_related("client").get(pk=erasure_id)
    take = {
        Stage.CONTACTS: _remove_contacts,
        Stage.RESULTS: _erase_results,
        Stage.REJECTED: _erase_rejected,
        Stage.LOG: _erase_mentions,
    }.get(Stage(erasure.stage))
    return Step.FINISHED if take is None else take(erasure)


@transaction.atomic
def _remove_contacts(erasure: Erasure) -> Step:
    if not _holds(erasure):
        return Step.MORE
    expanding = _held_expansions(erasure.client)
    # Locked, no import of theirs begins to be applied meanwhile, and no campaign of theirs starts.
    groups = ContactGroup.objects.filter(client=erasure.client).order_by("pk")
    list(groups.select_for_update(no_key=True))
    imports = Import.objects.filter(client=erasure.client)
    reading = Campaign.objects.filter(client=erasure.client).exclude(contact_set=None)
    read = dict(reading.values_list("pk", "contact_set_id"))
    may_have_read = Q(created_on__lt=erasure.requested_on + _MARGIN) | Q(state=ImportState.APPLYING)
    if imports.filter(may_have_read, state__in=_UNDER_WAY).exists() or not read.keys() <= expanding:
        return Step.WAIT
    # Of those that are not under way only what waits for somebody's decision still has a set or a file. Locked, it can
    # be neither read anew nor made a group of; one that has just been made is found among the groups.
    with_file = ImportPiece.objects.filter(of_import__client=erasure.client).values("of_import")
    kept = imports.exclude(state__in=_UNDER_WAY).filter(Q(pk__in=with_file) | Q(staging_set__isnull=False))
    staged = dict(kept.select_for_update(no_key=True).order_by("pk").values_list("pk", "staging_set_id"))
    sets = {*groups.values_list("contact_set_id", flat=True), *staged.values(), *read.values()}
    ImportPiece.objects.filter(of_import__in=staged).delete()
    forget_rows(erasure.client)
    erasure.contacts = remove_address(sorted(number for number in sets if number is not None), erasure.email_key)
    return _go_on(erasure, Stage.RESULTS, Step.MORE)


def _held_expansions(client: Client) -> set[int]:
    """The client's campaigns that are expanding. What is being written of them is written, and they wait until the end
    of the transaction: between the two statements of a chunk its page may not change."""
    expanding = Campaign.objects.filter(client=client, phase=Phase.EXPANDING).order_by("pk")
    for campaign_id in expanding.values_list("pk", flat=True):
        Expansion.objects.get_or_create(campaign_id=campaign_id)
    held = Expansion.objects.filter(campaign__in=expanding.order_by()).order_by("pk").select_for_update(of=("self",))
    return set(held.values_list("pk", flat=True))


def _erase_results(erasure: Erasure) -> Step:
    chunks = Chunk.objects.filter(campaign__client=erasure.client, pk__gt=erasure.cursor).order_by("pk")
    page = list(chunks.values_list("pk", "rows")[:CHUNKS_AT_ONCE])
    # Looked for outside of the transaction: SQLite has one write lock, for which workers ask every few ms.
    found = {row.id >> CHUNK_SHIFT for run in runs(page) for row in rows_of_address(run, erasure.email_key)}
    with transaction.atomic():
        if not _holds(erasure):
            return Step.MORE
        for chunk_id in sorted(found):
            erased = _erase_rows(chunk_id, erasure.email_key)
            if erased is None:
                erasure.cursor = chunk_id - 1
                return _go_on(erasure, Stage.RESULTS, Step.WAIT)
            erasure.results += erased
        if page:
            erasure.cursor = page[-1][0]
            return _go_on(erasure, Stage.RESULTS, Step.MORE)
        if Campaign.objects.filter(client=erasure.client, phase=Phase.EXPANDING).exists():
            return Step.WAIT
        erasure.cursor = 0
        return _go_on(erasure, Stage.REJECTED, Step.MORE)


def _erase_rows(chunk_id: int, email_key: str) -> int | None:
    """How many there were, open ones opted out; None if a worker has the chunk in hand, and may still write there."""
    with connection.cursor() as cursor:
        cursor.execute(statement("lock_free_chunk"), [chunk_id])
        if cursor.fetchone() is None:
            return None
        rows = rows_of_address((chunk_id, chunk_id), email_key)
        now = now_ms()
        for row in rows:
            emptied = {"email": ERASED_ADDRESS, "name": "", "fields": "{}", "reply": without(row.reply, email_key)}
            Delivery.objects.filter(pk=row.id).update(modified_ms=now, **emptied)
        row_ids = [row.id for row in rows]
        DeliveryAttempt.objects.filter(delivery__in=row_ids).delete()
        open_rows = Delivery.objects.filter(pk__in=row_ids, state__lt=FIRST_FINAL)
        if open_rows.update(state=State.OPTOUT, next_attempt_ms=None):
            free_chunk(cursor, chunk_id)
    return len(rows)


@transaction.atomic
def _erase_rejected(erasure: Erasure) -> Step:
    if not _holds(erasure):
        return Step.MORE
    rows = RejectedRow.objects.filter(of_import__client=erasure.client, pk__gt=erasure.cursor).order_by("pk")
    page = list(rows.only("value", "reason")[:REJECTED_AT_ONCE])
    if not page:
        erasure.cursor = 0
        return _go_on(erasure, Stage.LOG, Step.MORE)
    # The value may be a whole row, with the name beside the address.
    named = [row.pk for row in page if without(row.value + row.reason, erasure.email_key) != row.value + row.reason]
    erasure.rejected_rows += RejectedRow.objects.filter(pk__in=named).update(value=ERASED_TEXT, reason=ERASED_TEXT)
    erasure.cursor = page[-1].pk
    return _go_on(erasure, Stage.REJECTED, Step.MORE)


@transaction.atomic
def _erase_mentions(erasure: Erasure) -> Step:
    if not _holds(erasure):
        return Step.MORE
    # An old link that was clicked in the moment of `ask` may not have seen the suppression.
    if find_suppression(erasure.client, erasure.email_key) is not None:
        forget_address(erasure.client, erasure.email_key)
    last = replace_in_log(
        erasure.client, lambda text: without(text, erasure.email_key), after=erasure.cursor, at_most=ENTRIES_AT_ONCE
    )
    if last is not None:
        erasure.cursor = last
        return _go_on(erasure, Stage.LOG, Step.MORE)
    Erasure.objects.filter(pk=erasure.pk).update(email_key="", stage=Stage.DONE, finished_on=timezone.now())
    return Step.FINISHED


def without(text: str, email_key: str) -> str:
    """A text without an address, in whatever case and with whichever spelling of its domain it stands there; one that
    only ends or begins like it is somebody else's. Pure."""
    spellings = "|".join(map(re.escape, sorted({email_key, _in_letters(email_key)})))
    return re.sub(rf"(?<![\w.+-])(?:{spellings})(?!\w|[.-]\w)", ERASED_TEXT, text, flags=re.IGNORECASE)


def _in_letters(email_key: str) -> str:
    local_part, _, domain = email_key.rpartition("@")
    try:
        return f"{local_part}@{domain.encode('ascii').decode('idna')}"
    except UnicodeError:
        return email_key


def _holds(erasure: Erasure) -> bool:
    """Whether the erasure is as it was read, and nobody else's until the end of the transaction."""
    as_read = Erasure.objects.filter(pk=erasure.pk, stage=erasure.stage, cursor=erasure.cursor)
    return as_read.select_for_update(of=("self",)).exists()


def _go_on(erasure: Erasure, stage: Stage, step: Step) -> Step:
    erasure.stage = stage
    erasure.save(update_fields=["stage", "cursor", "contacts", "results", "rejected_rows"])
    return step
