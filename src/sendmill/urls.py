"""Every route, on one page."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
