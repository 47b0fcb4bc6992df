"""Chunks and deliveries: the queue, and the record of what became of every recipient.

A campaign's recipients are cut into chunks of up to `CHUNK_ROWS`. A chunk is what a worker claims: it has an owner,
a lease and a fencing number. The rows of chunk N are those with ids from N * 1024 to N * 1024 + 1023, so a delivery
needs no column and no index for its chunk or its campaign: its primary key finds, orders and groups it, inserts
append, and no update touches an index (HOT on PostgreSQL).

Times in these tables are milliseconds since 1970, UTC: 8 bytes instead of SQLite's 26, and the same SQL on both
databases.
"""

from django.db import models

from sendmill.campaigns.models import Campaign

CHUNK_SHIFT = 10
CHUNK_ROWS = 1000


class Chunk(models.Model):
    """Up to `CHUNK_ROWS` deliveries of one campaign.

    `due_ms` is when the chunk has something to do next, 0 for at once, None when all its rows are final. `owner` is the
    worker that holds it, "" when it is free. `lease_until_ms` is the end of its lease by its owner's clock: others look
    only whether it changes (`leases`). `fence` grows with every change of owner: a write that names an older number is
    refused. `is_let_go`: its campaign was paused or cancelled, and its owner begins nothing more of it.

    `being_sent` is which of its rows its owner is sending (`marks`): what is durable before their messages leave.
    `rows` is how many deliveries it has, 0 when they were deleted for their age (`pruning`). `counts` is how many rows
    are in each state (`chunk_counts`), true as long as `counted_fence` is `fence`.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    rows = models.PositiveIntegerField()
    due_ms = models.BigIntegerField(null=True)
    owner = models.CharField(max_length=120, default="")
    lease_until_ms = models.BigIntegerField(default=0)
    fence = models.BigIntegerField(default=0)
    is_let_go = models.BooleanField(default=False)
    being_sent = models.TextField(default="", db_default="")
    counts = models.TextField(default="", db_default="")
    counted_fence = models.BigIntegerField(default=-1, db_default=-1)

    class Meta:
        indexes = [
            models.Index(fields=["campaign", "id"], name="chunks_of_campaign"),
            models.Index(fields=["campaign", "due_ms"], name="chunks_due", condition=models.Q(due_ms__isnull=False)),
            models.Index(fields=["owner"], name="chunks_owned", condition=~models.Q(owner="")),
        ]

    def __str__(self) -> str:
        return f"chunk {self.pk} of campaign {self.campaign_id}"


class RetryChunk(models.Model):
    """A chunk whose failed recipients are to be sent again as soon as no worker holds it (see `retry`)."""

    chunk = models.OneToOneField(Chunk, on_delete=models.CASCADE, primary_key=True, related_name="+")

    def __str__(self) -> str:
        return f"retry of chunk {self.pk}"


class Expansion(models.Model):
    """How far a campaign's contacts have been turned into deliveries: all those up to contact id `cursor`.

    A table of its own, so that expanding never waits for whoever holds the campaign (`lifecycle.hold_status`), nor they
    for it.
    """

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, primary_key=True, related_name="expansion")
    cursor = models.BigIntegerField(default=0)
    recipients = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"expansion of {self.campaign_id}"


class Delivery(models.Model):
    """One recipient of one campaign. `fields` is the JSON text of the contact's other columns.

    `start_ms` is the moment it was queued until the first attempt, and that attempt from then on.
    """

    id = models.BigAutoField(primary_key=True)
    email = models.CharField(max_length=320)
    name = models.TextField()
    fields = models.TextField()
    state = models.SmallIntegerField()
    attempts = models.SmallIntegerField(default=0)
    start_ms = models.BigIntegerField()
    modified_ms = models.BigIntegerField()
    next_attempt_ms = models.BigIntegerField(null=True)
    reply_code = models.SmallIntegerField(null=True)
    reply = models.TextField(default="")
    relay = models.CharField(max_length=320, default="")

    class Meta:
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.email} ({self.pk})"


class DeliveryAttempt(models.Model):
    """An attempt that did not end its delivery: deferred, in doubt, or failed and sent again (`recording`, `retry`).

    What ended a delivery is in its own row, so one that is delivered at once has none here. `attempts` is the
    delivery's when it was made, this one counted. There is no foreign key in the database: it would cost a look-up with
    each row, and nodes of the version before, which don't know this table, delete deliveries.
    """

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="unfinished", db_constraint=False, db_index=False
    )
    state = models.SmallIntegerField()
    attempts = models.SmallIntegerField()
    recorded_ms = models.BigIntegerField()
    reply_code = models.SmallIntegerField(null=True)
    reply = models.TextField()
    relay = models.CharField(max_length=320)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "attempts", "recorded_ms"], name="one_record_per_attempt")
        ]

    def __str__(self) -> str:
        return f"attempt {self.attempts} of delivery {self.delivery_id}"


class TokenBucket(models.Model):
    """The token bucket of a rate, shared by all workers of all machines. `key` is `LimitKey.bucket`.

    Table and column keep the names they had when only relays had rates: nodes of that version go on using them.
    """

    key = models.CharField(max_length=400, unique=True, db_column="relay")
    tokens = models.FloatField(default=0)
    refilled_ms = models.BigIntegerField(default=0)

    class Meta:
        db_table = "delivery_relaybudget"

    def __str__(self) -> str:
        return self.key


class Limit(models.Model):
    """What an operator has limited (see `limits`): `kind` and `name` are those of a `LimitKey`."""

    kind = models.CharField(max_length=10)
    name = models.CharField(max_length=320)
    rate = models.FloatField(null=True)
    connections = models.PositiveIntegerField(null=True)
    weight = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_limit_per_name")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class SlotHolding(models.Model):
    """How many of a limit's connections one worker has, and would like to have. `renewed_ms` is the database's time."""

    limit = models.ForeignKey(Limit, on_delete=models.CASCADE, related_name="holdings")
    owner = models.CharField(max_length=120)
    held = models.PositiveIntegerField(default=0)
    wanted = models.PositiveIntegerField(default=0)
    renewed_ms = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["limit", "owner"], name="one_holding_per_worker")]

    def __str__(self) -> str:
        return f"{self.held} of {self.limit_id} held by {self.owner}"


class WorkerReport(models.Model):
    """What a worker process last said of itself (see `reports`). `reported_ms` is by the database's clock."""

    owner = models.CharField(max_length=120, primary_key=True)
    reported_ms = models.BigIntegerField()
    relays = models.TextField()
    rates = models.TextField()

    def __str__(self) -> str:
        return self.owner
