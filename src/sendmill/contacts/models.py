"""Contact groups, and the imports that fill them.

A group points at one `ContactSet`, which holds its contacts and never changes once it is seen. An import makes a set
of its own, in short transactions, and then one small transaction points the group at it. So a crash at any moment
leaves the old contacts or the new, a reader never sees a mixture, and workers can write all the while on SQLite too.

The contacts lie in pages of up to a thousand, each of them one row. A set is a list of pages, and what an update or
delete leaves alone is shared with the set before. So a contact costs no row and no entry in an index of its own: with
those, a million contacts took SQLite twenty times as long to write, and everything that reads them is slower too.

A set that nobody points at any more is `retired` and purged later in short batches, after a grace period in which
slow readers finish.

**The layout before.** In version 0.1.0 each contact was a row, `Contact`. Sets of that layout are still read. They are
also still written while a `RollingUpgrade` is recorded, because nodes of that version can't read pages. The next
version drops both.
"""

from django.db import models

from sendmill.accounts.models import Client, ClientResource
from sendmill.ids import new_object_id


class Layout(models.IntegerChoices):
    """How the contacts of a set are stored. Nodes of version 0.1.0 know of rows only and leave the column out."""

    ROWS = 0
    PAGES = 1


class RollingUpgrade(models.Model):
    """A record of this says that nodes of version 0.1.0 may be at work: sets are made of rows, as they know them."""

    since = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"since {self.since:%Y-%m-%d}"


class ContactSet(models.Model):
    """A set of contacts. `pins` counts the campaigns that are reading it right now."""

    layout = models.SmallIntegerField(choices=Layout.choices, db_default=Layout.ROWS)
    created_on = models.DateTimeField(auto_now_add=True)
    pins = models.PositiveIntegerField(default=0)
    retired_on = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"set {self.pk}"


class ContactGroup(ClientResource):
    """A client's group of contacts, known by its `tag`."""

    tag = models.TextField()
    contact_set = models.ForeignKey(ContactSet, on_delete=models.PROTECT, related_name="groups")

    def __str__(self) -> str:
        return self.tag


class ContactPage(models.Model):
    """Up to a thousand contacts in their order.

    `keys` are their email keys, a line each. `contacts` is a JSON array of what `fragments` describes: [email, name,
    fields, key], in which `fields` is an object of every other column, header to value, and the key is left out where
    it is the email as written. The keys stand first: SQLite reads the row no further when they are all that is asked
    for.
    """

    keys = models.TextField()
    contacts = models.TextField()

    def __str__(self) -> str:
        return f"page {self.pk}"


class SetPage(models.Model):
    """The place of a page in a set: its number, from 0, and how many contacts it has."""

    contact_set = models.ForeignKey(
        ContactSet, on_delete=models.DO_NOTHING, related_name="pages", db_constraint=False, db_index=False
    )
    number = models.IntegerField()
    page = models.ForeignKey(ContactPage, on_delete=models.DO_NOTHING, related_name="places", db_constraint=False)
    size = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact_set", "number"], name="one_page_per_number")]

    def __str__(self) -> str:
        return f"page {self.number} of set {self.contact_set_id}"


class Contact(models.Model):
    """One contact in the layout of rows. `fields` is a JSON object text of every other column, header to value.

    The foreign key is not a constraint in the database: sets are purged in batches by `contact_set_id`, and a
    million look-ups of the same parent row are a quarter of an import's time.
    """

    contact_set = models.ForeignKey(
        ContactSet, on_delete=models.DO_NOTHING, related_name="contacts", db_constraint=False, db_index=False
    )
    email_key = models.CharField(max_length=320)
    email = models.CharField(max_length=320)
    name = models.TextField()
    fields = models.TextField(default="{}")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact_set", "email_key"], name="one_contact_per_address")]
        indexes = [models.Index(fields=["contact_set", "id"], name="contacts_in_order")]

    def __str__(self) -> str:
        return self.email


class ImportKind(models.TextChoices):
    """What an import does with the rows of its file."""

    REPLACE = "replace"
    UPDATE = "update"
    DELETE = "delete"
    STAGE = "stage"  # into a group that will be made later
    OPTOUT_ADD = "optout_add"
    OPTOUT_DELETE = "optout_delete"


OF_OPTOUTS = (ImportKind.OPTOUT_ADD, ImportKind.OPTOUT_DELETE)
"""The kinds that need no group."""

ACTIONS = {
    ImportKind.REPLACE: "replaced a group's contacts from a file",
    ImportKind.UPDATE: "updated a group's contacts from a file",
    ImportKind.DELETE: "deleted a group's contacts by a file",
    ImportKind.OPTOUT_ADD: "opted addresses out by a file",
    ImportKind.OPTOUT_DELETE: "removed opt-outs by a file",
}
"""What the audit log calls them."""


class ImportState(models.TextChoices):
    """receiving → applying → done; failed from either. A job is waiting first, and again after its process died. One
    of kind `stage` is staged in between: its rows wait for the group that is made of them.

    A process that dies while receiving leaves nothing but a staging set to purge: the import has failed. So has one
    that dies while merging pages. One that dies while changing opt-outs, or rows, is finished by another: what it has
    begun is idempotent.
    """

    WAITING = "waiting"
    RECEIVING = "receiving"
    STAGED = "staged"
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"


class Import(models.Model):
    """One bulk call: what it was to do, how far it is, and what it counted.

    Of a job (`import_jobs`) `file_bytes` is the size of its file, once all of that is stored, and `read_bytes` how much
    of it has been read; the columns are chosen by their indexes. `dry_run`: it counts and changes nothing.
    """

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=ImportKind.choices)
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.RECEIVING)
    group = models.ForeignKey(ContactGroup, on_delete=models.SET_NULL, null=True, related_name="imports")
    staging_set = models.ForeignKey(ContactSet, on_delete=models.SET_NULL, null=True, related_name="+")
    successor_set = models.ForeignKey(ContactSet, on_delete=models.SET_NULL, null=True, related_name="+")
    cursor = models.BigIntegerField(default=0)
    accepted_rows = models.BigIntegerField(default=0)
    rejected_rows = models.BigIntegerField(default=0)
    duplicate_rows = models.BigIntegerField(default=0)
    error = models.TextField(default="")
    file_bytes = models.BigIntegerField(null=True)
    read_bytes = models.BigIntegerField(default=0, db_default=0)
    email_index = models.PositiveIntegerField(null=True)
    name_index = models.PositiveIntegerField(null=True)
    dry_run = models.BooleanField(default=False, db_default=False)
    heartbeat_on = models.DateTimeField()
    created_on = models.DateTimeField()
    modified_on = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["state", "heartbeat_on"], name="imports_to_recover")]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"


class ImportPiece(models.Model):
    """A piece of the file of an import job, compressed with zlib."""

    of_import = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="pieces")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"piece {self.pk}"


class RejectedRow(models.Model):
    """A row of an import's file that was skipped, and why. `line` counts from 1, `column_index` from 0."""

    of_import = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejected")
    line = models.BigIntegerField()
    column_index = models.PositiveIntegerField()
    column = models.TextField()
    value = models.TextField()
    reason = models.TextField()

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
