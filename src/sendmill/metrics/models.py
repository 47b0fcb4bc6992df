"""Tallies: what has been counted since the database was made."""

from django.db import models


class Tally(models.Model):
    """A number that only grows. `labels` is JSON text, its keys in their order."""

    name = models.CharField(max_length=60)
    labels = models.CharField(max_length=500)
    value = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="one_tally_per_name_and_labels")]

    def __str__(self) -> str:
        return f"{self.name}{self.labels}"
