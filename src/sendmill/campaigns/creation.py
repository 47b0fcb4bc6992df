"""Makes a campaign from what a user posted: everything is checked first, then it is made in one piece or not at all."""

from typing import BinaryIO, NamedTuple

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign


class Created(NamedTuple):
    """A new campaign, and the object id of the import that filled its group (None with a reused group)."""

    campaign: Campaign
    import_object_id: str | None


def create_campaign(
    client: Client, attributes: object, csv_file: BinaryIO | None, message_file: BinaryIO | None
) -> Created:
    """Creates a campaign as API.md's "Campaign attributes." has it.

    `attributes` is parsed JSON of any shape, None when the part was missing. The files are read once, in pieces.
    `message_file` is HTML or text in UTF-8, UTF-16 with BOM, or Windows-1252.

    Raises InvalidFields, whose paths begin with "attributes", "csv_file" or "message_file", and leaves nothing behind
    then.
    """
    raise NotImplementedError
