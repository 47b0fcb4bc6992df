"""What API tokens do goes into their client's audit log, like what people do on pages."""

from rest_framework.request import Request

from sendmill.accounts import audit
from sendmill.accounts.models import ApiToken, Kind

_KINDS = {
    "senderid": Kind.SENDERS,
    "optout": Kind.OPTOUTS,
    "contact": Kind.CONTACTS,
    "import": Kind.CONTACTS,
    "message": Kind.MESSAGES,
    "campaign": Kind.CAMPAIGNS,
}
"""By what follows `/email/` in a path."""


def record(request: Request, action: str, subject: str = "") -> None:
    """Note what the request's token has just done. Every call that changes something does it, in the transaction of
    the act where there is one: then it costs a row, and no commit."""
    token = request.auth
    assert isinstance(token, ApiToken), "HasToken let it through"
    resource = request.path.partition("/email/")[2].partition("/")[0]
    audit.record(token.client, audit.program(token), _KINDS[resource], action, subject)
