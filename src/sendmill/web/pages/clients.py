"""The choice of the client whose pages are shown, for people who belong to several."""

from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts.access import clients_of
from sendmill.errors import NotFound
from sendmill.ids import parse_object_id
from sendmill.web.guard import CLIENT_KEY
from sendmill.web.requests import PageRequest

MOST_SHOWN = 50


def choose(request: PageRequest) -> HttpResponse:
    """The list, narrowed by `q`; a POST with `client` chooses one."""
    clients = clients_of(request.user)
    if request.method == "POST":
        chosen = clients.filter(object_id=parse_object_id(request.POST.get("client", ""))).first()
        if chosen is None:
            raise NotFound("There is no such client.")
        request.session[CLIENT_KEY] = chosen.object_id
        return redirect("web:overview")
    wanted = request.GET.get("q", "").strip()
    found = list(clients.filter(name__icontains=wanted)[: MOST_SHOWN + 1])
    context = {"clients": found[:MOST_SHOWN], "has_more": len(found) > MOST_SHOWN, "wanted": wanted}
    return render(request, "web/clients.html", context)
