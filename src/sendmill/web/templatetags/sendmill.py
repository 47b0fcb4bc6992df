"""Template tags: `{% load sendmill %}`."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from django import forms, template
from django.forms import BoundField
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from sendmill.campaigns.timezones import timezone_names
from sendmill.web import assets

register = template.Library()

_between_backticks = re.compile("`([^`]+)`")
_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxInput, "form-check-input"),
    (forms.Select, "form-select"),
)


@register.simple_tag
def asset(name: str) -> str:
    """The address of a file below web/static."""
    return assets.asset_url(name)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of Tabler's, in place. It is decoration: a button of an icon alone needs an aria-label."""
    return mark_safe(assets.icon(name))  # noqa: S308 - a file of ours


@register.simple_tag
def moment(value: datetime | None, zone: str = "") -> SafeString | str:
    """A time in the viewer's zone, and beside it in `zone` if its clock shows another time there."""
    if value is None:
        return "–"
    here = timezone.localtime(value)
    text = format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        timezone.get_current_timezone_name(),
        _clock(here),
    )
    if zone in timezone_names():
        there = value.astimezone(ZoneInfo(zone))
        if there.replace(tzinfo=None) != here.replace(tzinfo=None):
            shown = there.strftime("%H:%M") if there.date() == here.date() else _clock(there)
            return format_html('{} <span class="text-secondary text-nowrap">({} {})</span>', text, shown, zone)
    return text


@register.filter
def with_code(text: str) -> SafeString:
    """What stands between two backticks as code."""
    *parts, last = _between_backticks.split(text)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return format_html("{}{}", format_html_join("", "{}<code>{}</code>", pairs), last)


@register.filter
def thousands(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


@register.simple_tag
def percent(part: float, whole: float = 1) -> str:
    """`12.3 %`. What isn't all is never shown as 100, nor what is something as 0."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < share < 1 else f"{100 * share:.1f} %".replace(".0 %", " %")


@register.filter
def rate(a_second: float) -> str:
    """A speed without more digits than it is worth."""
    return f"{a_second:.1f}" if a_second < 10 else f"{a_second:,.0f}"


@register.inclusion_tag("web/parts/field.html")
def field(bound: BoundField, placeholder: str = "", autofocus: bool = False) -> dict[str, object]:
    """A form's field with its label, help and errors."""
    widget = bound.field.widget
    classes = next((classes for kind, classes in _CLASSES if isinstance(widget, kind)), "form-control")
    attributes: dict[str, str | bool] = {"class": f"{classes} is-invalid" if bound.errors else classes}
    if placeholder:
        attributes["placeholder"] = placeholder
    if autofocus:
        attributes["autofocus"] = "autofocus"
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attributes),
        "is_checkbox": isinstance(widget, forms.CheckboxInput),
    }


def _clock(value: datetime) -> str:
    return f"{value.day} {value:%b %Y, %H:%M}"
