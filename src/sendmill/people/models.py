"""Erasures, which the law asks to be proved: when one was asked for, and what was done. Not of whom."""

from django.db import models

from sendmill.accounts.models import Client
from sendmill.ids import new_object_id


class Stage(models.TextChoices):
    """What is being gone through: contacts → results → rejected → log → done."""

    CONTACTS = "contacts"
    RESULTS = "results"
    REJECTED = "rejected"
    LOG = "log"
    DONE = "done"


class Erasure(models.Model):
    """One person who is erased. `email_key` is empty as soon as it is done.

    `cursor` is how far the stage has come: the last chunk, rejected row or entry of the audit log.
    """

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    email_key = models.CharField(max_length=320)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.CONTACTS)
    cursor = models.BigIntegerField(default=0)
    contacts = models.BigIntegerField(default=0)
    results = models.BigIntegerField(default=0)
    rejected_rows = models.BigIntegerField(default=0)
    requested_by = models.CharField(max_length=254, default="")
    requested_on = models.DateTimeField()
    finished_on = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"erasure {self.object_id}"
