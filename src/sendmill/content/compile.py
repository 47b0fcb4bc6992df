r"""A campaign's message, compiled once and rendered for each recipient. Pure: text in, bytes out.

What a rendering gives is a whole message (RFC 5322) with CRLF line ends, ready for SMTP's DATA:

- ASCII throughout, except an address whose local part is not (RFC 6532);
- no line over 998 octets; in bodies none over 76, and in headers none that isn't a long address;
- no line starts with a dot, so nothing has to be dot-stuffed; no CR or LF stands alone; the last line has its end.

The fast road: everything that is the same for all recipients is encoded here, once. Quoted-printable soft breaks around
a placeholder make each piece independent of its neighbours, so a message is a join of ready pieces and a few values,
most of which need no encoding. So is a body with logic, but for what stands between an `if` or `for` and its end: that
is rendered as text by the engine, and then encoded (`segments`). The slow road, all of a body through the engine, is
for what can't be taken apart. All roads give the same parsed message.

What becomes of characters that mail can't carry is told in `characters`. A body gets a line break at its end where
the template has none. A boundary starts with "=_", which quoted-printable never writes, so no value can forge one.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sendmill.addresses import InvalidAddress, envelope_address
from sendmill.content.characters import clean_text, escape_html
from sendmill.content.headers import mailbox_header
from sendmill.content.quoted_printable import MAX_CONTENT, SOFT_BREAK, encode, encode_piece
from sendmill.content.segments import Logic, segments, variables_of
from sendmill.content.subject import Subject, checked_header_text
from sendmill.content.template import RenderError, Template, TemplateError, fields_as_variables
from sendmill.content.template_engine import Engine, separated
from sendmill.content.template_filters import as_html, check_produced
from sendmill.content.template_reader import Piece, join_text, read_template
from sendmill.content.template_tag import Tag
from sendmill.content.text_part import text_of_html

_HTML_ELEMENTS = (
    "a abbr article b big blockquote body br button center code dd div dl dt em fieldset figure font footer form "
    "h[1-6] head header hr html i img input label li link main meta nav ol p pre s script section small span strike "
    "strong style sub sup svg table tbody td tfoot th thead title tr tt u ul"
).replace(" ", "|")
_has_html = re.compile(rf"<(?:!doctype\s+html|/?(?:{_HTML_ELEMENTS}))(?:[\s/][^<>]*)?>", re.IGNORECASE).search

# Values that are the same in text, in HTML and in quoted-printable: printable ASCII that fits a line, without "=", a
# dot at its start, and what HTML escapes. Nearly all values are.
_is_plain = re.compile(r"(?!\.|From )[ !#$%(-.0-;?-~]{1,75}").fullmatch

_NO_LINKS: Mapping[str, str] = {}
_NO_TOKENS: Mapping[str, bytes] = {}
_MOST_ENGINES = 8  # for the logic of a part
_SHORT_VALUE = 100  # characters of a value worth remembering
_MOST_KNOWN_RUNS, _KNOWN_RUNS_OCTETS = 256, 8192  # what is remembered of logic: at most 2 MB a part

_HEAD, _FURTHER_HEADERS = 1, 2  # places in a message's parts; the sender is 0
_PART_HEADERS = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


@dataclass(slots=True)
class Recipient:
    """Whom a message is for. `fields` are the contact's further columns, by header, in their order."""

    name: str
    email: str
    fields: Mapping[str, str]


class CompiledMessage:
    """A message of which only a recipient's values are missing. Used by one thread at a time; can be pickled.

    See `compile_message`. `used_links` are those of its links that subject or body name. `always_engine` takes the slow
    road for everything, for the test that compares the two.
    """

    def __init__(
        self,
        subject: str,
        body: str,
        sender_address: str,
        always_engine: bool = False,
        link_bases: Mapping[str, str] = _NO_LINKS,
    ) -> None:
        self._arguments = subject, body, sender_address, always_engine, dict(link_bases)
        self._link_bases = link_bases
        self._always_engine = always_engine
        subject_template = Template(read_template(subject), escapes_html=False, always_engine=always_engine)
        self._subject = Subject(subject_template)
        self._parts = [mailbox_header("From", "", envelope_address(sender_address).octets), b"", b""]
        # Of each variable, the places of its values in the text and in the HTML.
        self._slots: dict[str, tuple[list[int], list[int]]] = {}
        # Of each link, the places of its token behind its base.
        self._link_places: dict[str, list[int]] = {}
        # Runs of logic: their places, and the engine that has them all.
        self._logic: list[tuple[list[int], _Runs]] = []
        # What is rendered as a whole: its place, its template, and whether the HTML is to become text.
        self._rendered: list[tuple[int, Template, bool]] = []
        pieces = _ending_in_line_break(read_template(body))
        self.used_links = link_bases.keys() & (variables_of(pieces) | variables_of(subject_template.pieces))
        self._parts.append(b"MIME-Version: 1.0\r\n")
        if is_html(body):
            self._add_alternatives(Template(pieces, escapes_html=True, always_engine=always_engine))
        else:
            self._parts.append(_PART_HEADERS % b"plain")
            self._add_body(Template(pieces, escapes_html=False, always_engine=always_engine))
        self._uses_engine = bool(self._logic or self._rendered) or not subject_template.is_plain
        self._needs_link_texts = self._uses_engine or bool(self.used_links & variables_of(subject_template.pieces))

    @property
    def characters(self) -> int:
        """Of the templates it was made from, which tell how large it is."""
        return len(self._arguments[0]) + len(self._arguments[1])

    def __reduce__(self) -> tuple[object, ...]:
        return CompiledMessage, self._arguments

    def render(
        self,
        recipient: Recipient,
        message_id: str,
        date: str,
        headers: bytes = b"",
        address: bytes | None = None,
        tokens: Mapping[str, bytes] = _NO_TOKENS,
    ) -> bytes:
        """The message for `recipient`: 6 µs on the fast road for 4 KB in two parts (bench/render.py).

        `message_id` (without brackets) and `date` (RFC 5322 3.3) are printable ASCII. `headers` are further header
        fields, encoded, each with its CRLF, such as List-Unsubscribe. `address` is the recipient's envelope address
        where the caller has it already. `tokens` are those of `used_links`, in base64url. Raises RenderError.
        """
        variables = fields_as_variables(recipient.name, recipient.email, recipient.fields)
        if self._uses_engine:
            variables = {name: clean_text(value) for name, value in variables.items()}
        parts = self._parts.copy()
        for name in self.used_links:
            token = tokens[name]
            if self._needs_link_texts:
                variables[name] = as_html(self._link_bases[name] + token.decode("ascii"))
            in_lines = token + SOFT_BREAK if len(token) <= MAX_CONTENT else _lines_of_token(token)
            for place in self._link_places.get(name, ()):
                parts[place] = in_lines
        parts[_HEAD] = self._head(recipient, address, variables, message_id, date)
        parts[_FURTHER_HEADERS] = headers
        self._fill(parts, variables)
        for places, logic in self._logic:
            for place, encoded in zip(places, logic.encoded(variables), strict=True):
                parts[place] = encoded
        for place, template, becomes_text in self._rendered:
            text = template.render(variables)
            parts[place] = encode(_shown_by(text) if becomes_text else text)
        return b"".join(parts)

    def _head(
        self, recipient: Recipient, address: bytes | None, variables: Mapping[str, str], message_id: str, date: str
    ) -> bytes:
        """The headers that differ from one message to the next."""
        if address is None:
            try:
                address = envelope_address(recipient.email).octets
            except InvalidAddress as error:
                raise RenderError(error.reason) from None
        name = checked_header_text("name", recipient.name)
        fixed = f"Date: {date}\r\nMessage-ID: <{message_id}>\r\n"
        if not (date + message_id).isprintable():
            raise ValueError("A date or message id with control characters.")
        return mailbox_header("To", name, address) + self._subject.header(variables) + fixed.encode("ascii")

    def _fill(self, parts: list[bytes], variables: Mapping[str, str]) -> None:
        """Put the values into their places among the ready pieces."""
        filled = 0
        for name, (text_places, html_places) in self._slots.items():
            value = variables.get(name, "")
            if _is_plain(value):
                in_text = in_html = value.encode("ascii") + SOFT_BREAK
            else:
                filled += len(value) * max(len(text_places), len(html_places))
                check_produced(filled)
                in_text, in_html = (_encoded_short_value if len(value) <= _SHORT_VALUE else _encoded_value)(value)
            for place in text_places:
                parts[place] = in_text
            for place in html_places:
                parts[place] = in_html

    def _add_body(self, template: Template) -> None:
        found = None if self._always_engine else segments(template.pieces)
        if found is None:
            self._rendered.append((len(self._parts), template, False))
            self._parts.append(b"")
            return
        # Runs of the same variables go through the engine together; of each such group the last results are remembered.
        groups: dict[frozenset[str], tuple[list[int], list[Logic]]] = {}
        for segment in found:
            if isinstance(segment, str):
                self._parts.append(encode_piece(segment))
                continue
            if isinstance(segment, Tag):
                variable = segment.variable or ""
                if variable in self._link_bases:
                    self._parts += [encode_piece(self._link_bases[variable]), b""]
                    self._link_places.setdefault(variable, []).append(len(self._parts) - 1)
                    continue
                of_variable = self._slots.setdefault(variable, ([], []))
                of_variable[template.escapes_html].append(len(self._parts))
            else:
                variables = variables_of(segment)
                if len(groups) >= _MOST_ENGINES and variables not in groups:
                    variables = next(iter(groups))
                places, runs = groups.setdefault(variables, ([], []))
                places.append(len(self._parts))
                runs.append(segment)
            self._parts.append(b"")
        for places, runs in groups.values():
            self._logic.append((places, _Runs(Engine(separated(runs), escapes_html=template.escapes_html))))

    def _add_alternatives(self, html: Template) -> None:
        """Two parts that say the same, text first (RFC 2046 5.1.4)."""
        boundary = b"=_" + hashlib.sha256(repr(self._arguments).encode()).hexdigest()[:32].encode()
        self._parts.append(b'Content-Type: multipart/alternative;\r\n boundary="%s"\r\n\r\n' % boundary)
        self._parts.append(b"--%s\r\n" % boundary + _PART_HEADERS % b"plain")
        text = self._text_template(html)
        if text:
            self._add_body(text)
        else:
            self._rendered.append((len(self._parts), html, True))
            self._parts.append(b"")
        self._parts.append(b"\r\n--%s\r\n" % boundary + _PART_HEADERS % b"html")
        self._add_body(html)
        self._parts.append(b"\r\n--%s--\r\n" % boundary)

    def _text_template(self, html: Template) -> Template | None:
        """The text part's own template, or None if its text has to be made from each recipient's finished HTML: where
        values are HTML themselves, or tags decide what is shown (`text_of_html`). That takes 0.5 ms a message.
        """
        if html.uses_html_filters:
            return None
        try:
            pieces = _ending_in_line_break(text_of_html(html.pieces))
            return Template(pieces, escapes_html=False, always_engine=self._always_engine)
        except TemplateError:
            return None


class _Runs:
    """Runs of logic, in quoted-printable. What few values decide, such as a city, is the same for many recipients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._names = tuple(engine.names)
        self._known: dict[tuple[str | None, ...], list[bytes]] = {}

    def encoded(self, variables: Mapping[str, str]) -> list[bytes]:
        """Each run for these variables. Raises RenderError."""
        values = tuple([variables.get(name) for name in self._names])
        known = self._known.get(values)
        if known is None:
            known = [encode_piece(text) for text in self._engine.render_runs(variables)]
            if sum(map(len, known)) + sum([len(value or "") for value in values]) <= _KNOWN_RUNS_OCTETS:
                if len(self._known) >= _MOST_KNOWN_RUNS:
                    self._known.clear()
                self._known[values] = known
        return known


def compile_message(
    subject: str, body: str, sender_address: str, link_bases: Mapping[str, str] = _NO_LINKS
) -> CompiledMessage:
    """The compiled form of a campaign's message; `subject` and `body` are templates.

    A body with HTML in it becomes multipart/alternative with a text part made from it, any other text/plain.
    `link_bases` are links, by variable: what stands before a recipient's token, in characters that need no quoting in
    HTML. Raises TemplateError, and InvalidAddress for the sender.
    """
    return CompiledMessage(subject, body, sender_address, link_bases=link_bases)


def is_html(body: str) -> bool:
    """Whether a body has HTML in it: a tag of an element that is used in mail. `<john@example.com>` is none."""
    return _has_html(body) is not None


def _lines_of_token(token: bytes) -> bytes:
    """A long token in quoted-printable, which changes none of its characters; more follows on the same line."""
    lines = [token[begin : begin + MAX_CONTENT] for begin in range(0, len(token), MAX_CONTENT)]
    return SOFT_BREAK.join([*lines, b""])


def _encoded_value(value: str) -> tuple[bytes, bytes]:
    """A value in quoted-printable, as text and as HTML."""
    value = clean_text(value)
    in_text = encode_piece(value)
    escaped = escape_html(value)
    return in_text, in_text if escaped == value else encode_piece(escaped)


# Cities, salutations and discounts are the same for many recipients.
_encoded_short_value = lru_cache(maxsize=2048)(_encoded_value)


def _ending_in_line_break(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    if pieces and isinstance(pieces[-1], str) and pieces[-1].endswith("\n"):
        return pieces
    return join_text([*pieces, "\n"])


def _shown_by(html: str) -> str:
    return "".join([piece for piece in text_of_html((html,)) if isinstance(piece, str)]) + "\n"
