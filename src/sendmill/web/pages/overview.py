"""Overview: what is going on."""

from django.http import HttpResponse
from django.shortcuts import render

from sendmill.web.requests import PageRequest


def show(request: PageRequest) -> HttpResponse:
    return render(request, "web/overview/show.html")
