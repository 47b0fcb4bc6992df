"""The footer with the link to unsubscribe that a message gets which has none of its own. Pure.

It is written into the template when a campaign starts, so everything after that knows nothing of it: the text part, the
browser's view and the sending path take it as the author's words.

Only `{{ unsubscribe_url }}` counts as a link of its own: of any other address nobody here knows what it does.
"""

import html
import re
from typing import NamedTuple

from sendmill.content.compile import is_html
from sendmill.content.segments import variables_of
from sendmill.content.template_reader import read_template
from sendmill.content.template_tag import Tag, TemplateError
from sendmill.content.variables import UNSUBSCRIBE_URL

_UNSUBSCRIBE = {
    "en": "Unsubscribe",
    "de": "Abmelden",
    "es": "Darse de baja",
    "fr": "Se désabonner",
    "it": "Annulla l’iscrizione",
    "nl": "Afmelden",
    "pl": "Wypisz się",
    "pt": "Cancelar a inscrição",
}

_LINK = f"{{{{ {UNSUBSCRIBE_URL} }}}}"
_END_OF_BODY = re.compile(r"<!--.*?-->|</body\s*>", re.IGNORECASE | re.DOTALL)


class Footer(NamedTuple):
    """What a client's footer says. `postal_address` may be empty, or have several lines."""

    postal_address: str
    language: str


def with_footer(body: str, footer: Footer) -> str:
    """The template with the footer, or as it is if it has a link to unsubscribe or can't be read."""
    try:
        if UNSUBSCRIBE_URL in variables_of(read_template(body)):
            return body
    except TemplateError:
        return body
    if not is_html(body):
        body = body.rstrip()
        if body.endswith(("-%}", "-}}", "-#}")):  # which would take the line breaks behind it away
            body += '{{ "" }}'
        return f"{body}\n\n{_text(footer)}\n"
    ends = [match.start() for match in _END_OF_BODY.finditer(body) if not match[0].startswith("<!--")]
    if ends:
        inside = f"{body[: ends[-1]]}{_html(footer)}\n{body[ends[-1] :]}"
        if _is_for_everybody(inside):
            return inside
    return f"{body}\n{_html(footer)}\n"


def _text(footer: Footer) -> str:
    lines = [_literal(line) for line in footer.postal_address.splitlines()]
    return "\n".join(["--", *lines, f"{_UNSUBSCRIBE[footer.language]}: {_LINK}"])


def _html(footer: Footer) -> str:
    lines = [_literal(html.escape(line)) for line in footer.postal_address.splitlines()]
    link = f'<a href="{_LINK}" style="color:#595959">{_UNSUBSCRIBE[footer.language]}</a>'
    return (
        '<div style="margin-top:24px;padding:12px 0;border-top:1px solid #d0d0d0;color:#595959;'
        f'font:13px/1.5 sans-serif;text-align:center">{"<br>".join([*lines, link])}</div>'
    )


def _literal(text: str) -> str:
    """`text` as a template that says just that."""
    return text.replace("{", '{{ "{" }}').replace("#}", '#{{ "}" }}')  # that may end a comment which nobody has begun


def _is_for_everybody(template: str) -> bool:
    """Whether the link stands outside of every condition, loop and comment, and in none of the author's own tags."""
    try:
        pieces = read_template(template)
    except TemplateError:  # `{{ "</body>" }}`
        return False
    depth = 0
    for piece in pieces:
        if not isinstance(piece, Tag):
            continue
        if piece.keyword in ("if", "for"):
            depth += 1
        elif piece.keyword in ("endif", "endfor"):
            depth -= 1
        elif piece.variable == UNSUBSCRIBE_URL:
            return depth == 0
    return False
