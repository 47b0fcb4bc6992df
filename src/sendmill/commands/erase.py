"""`sendmill erase`: a person, by this process, whether a server runs or not."""

import json
import sys
import time

from django.db import transaction

from sendmill.accounts.clients import find_client
from sendmill.accounts.models import Kind
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema
from sendmill.people.erasing import Step, ask, take_step

WAIT_SECONDS = 1.0


def erase_person(client_id: str, email: str, as_json: bool) -> int:
    """Erase the person and print what was done. Interrupted, the server goes on with it."""
    require_current_schema()
    client = find_client(client_id)
    with transaction.atomic():
        erasure = ask(client, email, requested_by="command line")
        record(client, Kind.CONTACTS, "erased a person", erasure.object_id)
    is_told = False
    while (step := take_step(erasure.pk)) != Step.FINISHED:
        if step == Step.WAIT:
            if not is_told:
                print(
                    "Waiting for an import, an expansion or a delivery process that may still have the address. "
                    "Ctrl-C leaves the rest to the server; no mail goes to the address from now on.",
                    file=sys.stderr,
                )
                is_told = True
            time.sleep(WAIT_SECONDS)
    erasure.refresh_from_db()
    counts = {name: getattr(erasure, name) for name in ("contacts", "results", "rejected_rows")}
    if as_json:
        print(json.dumps({"erasure_id": erasure.object_id, **counts}))
    else:
        print(f"erased ({erasure.object_id}): taken out of {erasure.contacts} groups, {erasure.results} results and "
              f"{erasure.rejected_rows} rejected rows name nobody any more")  # fmt: skip
    return 0
