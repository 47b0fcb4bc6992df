"""The audit log: who did what, when, for which client. Entries are only ever added, and end with their client."""

from collections.abc import Callable

from django.utils import timezone

from sendmill.accounts.models import AuditEntry, Client, User

PAGE_ROWS = 50
MAX_SUBJECT_LENGTH = 500


def record(client: Client, user: User | None, action: str, subject: str = "") -> None:
    """Note that `user` did `action` ("paused a campaign") to `subject` (its name, as a person knows it).

    To be called in the transaction of the act itself where there is one, so that neither is without the other.
    """
    AuditEntry.objects.create(
        client=client,
        user=user,
        email=user.email if user else "",
        action=action,
        subject=subject[:MAX_SUBJECT_LENGTH],
        happened_on=timezone.now(),
    )


def entries(client: Client, *, before: int | None = None) -> list[AuditEntry]:
    """One page of the client's entries and one entry more if there are further ones, newest first."""
    rows = AuditEntry.objects.filter(client=client).order_by("-pk")
    return list((rows if before is None else rows.filter(pk__lt=before))[: PAGE_ROWS + 1])


def replace_in_log(client: Client, text: str, replace: Callable[[str], str]) -> None:
    """Change the subjects that have `text` in them, in any case: somebody's address, when they are erased."""
    for entry in AuditEntry.objects.filter(client=client, subject__icontains=text):
        AuditEntry.objects.filter(pk=entry.pk).update(subject=replace(entry.subject))
