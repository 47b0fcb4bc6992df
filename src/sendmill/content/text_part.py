"""The text part of an HTML message, made from the HTML template once per campaign. Pure.

The tags of the template come out in the order they had, each of them once, as long as they stand in what is shown:
only so do conditions and loops survive. That rules out inscriptis, which lays table cells out side by side and so cuts
a condition in one cell with the text of the next (and returns nothing for elements nested 400 deep); newsletters are
all tables. What is done here is to write down what libxml2's parser reports, as it reports it: in order, at any depth,
in linear time. (Python's own `html.parser` takes 12 s for 40 KB of `<a `.)

Links are shown as `text (address)`, list items with `*`, images by their `alt`, table cells in a row two spaces apart.
What is hidden (`display: none`) is left out.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from lxml import etree

from sendmill.content.characters import clean_text
from sendmill.content.template_reader import Piece, join_text
from sendmill.content.template_tag import Tag, TemplateError, Token

# Line breaks around an element; 2 leaves an empty line.
# fmt: off
_MARGINS = dict.fromkeys([
    "address", "article", "aside", "body", "caption", "center", "dd", "div", "dt", "fieldset", "figcaption", "footer",
    "form", "header", "hr", "li", "main", "nav", "section", "table", "tbody", "tfoot", "thead", "tr",
], 1) | dict.fromkeys(["blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "ul"], 2)
# fmt: on
_LISTS = frozenset({"ol", "ul"})
_NEVER_SHOWN = frozenset({"noscript", "script", "style", "template", "title"})

_is_hiding = re.compile(r"(?:^|;)\s*display\s*:\s*none\b", re.IGNORECASE).search
_SPACES = re.compile("[ \t\n\r\f]+")
# A tag's number between two controls, which no cleaned text has.
_MARKER = re.compile("\x01([0-9]{1,5})\x02")
# Spaces of a certain width become spaces; fillers that keep a preview text short, nothing.
_TYPOGRAPHY = str.maketrans({"\xa0": " ", "\xad": None, "\u034f": None, "\u200b": None, "\ufeff": None})


def text_of_html(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The text template that says what an HTML template shows: clean text, and no line break at its end.

    Tags in what is not shown are left out. Raises TemplateError where only finished HTML can tell what is shown: where
    a tag decides it or the address of a link, where a condition begins in what is shown and ends in what is not, and
    where a value gets its name in what is not shown.
    """
    # Equal values get the same marker, so that `<a href="{{ url }}">{{ url }}</a>` is seen to say the same twice.
    numbers: dict[tuple[Token, ...], int] = {}
    tags: list[Tag] = []
    marked: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            marked.append(piece)
            continue
        number = len(tags) if piece.keyword else numbers.setdefault(piece.tokens, len(tags))
        if number == len(tags):
            tags.append(piece)
        marked.append(f"\x01{number}\x02")
    source = "".join(marked)
    if not source.strip():
        return ()
    writer = _TextWriter(tags)
    parser = etree.HTMLParser(target=writer)
    parser.feed(source)
    parts = _MARKER.split(parser.close())
    if writer.depends_on_tags or _misses_statements(tags, {int(part) for part in parts[1::2]}):
        raise TemplateError(1, "What the HTML shows depends on its tags.")
    return join_text([tags[int(part)] if index % 2 else part for index, part in enumerate(parts)])


def _misses_statements(tags: Sequence[Tag], written: Collection[int]) -> bool:
    """Whether any that is missing makes a difference: a `set`, or a part of a condition or loop that isn't missing."""
    open_blocks: list[set[bool]] = []
    for number, tag in enumerate(tags):
        is_written = number in written
        if tag.keyword == "set" and not is_written:
            return True
        if tag.keyword in ("if", "for"):
            open_blocks.append({is_written})
        elif tag.keyword in ("elif", "else") and open_blocks:
            open_blocks[-1].add(is_written)
        elif tag.keyword in ("endif", "endfor") and open_blocks and {is_written} != open_blocks.pop():
            return True
    return False


def _is_decided_by_tags(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether a tag of the template decides what attributes an element has, or whether it is shown."""
    style = attributes.get("style", "")
    return _MARKER.search(" ".join([name, *attributes])) is not None or (
        "display" in style.lower() and _MARKER.search(style) is not None
    )


class _TextWriter:
    """Takes the parser's events (lxml's target interface) and writes text, in which tags stand as markers.

    Spaces and line breaks are owed until something visible follows, so that none stand at an end. Before a tag they
    are paid, since what a condition holds may not be there.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.depends_on_tags = False
        self._tags = tags
        # With a condition or a loop about, nobody knows an item's number.
        self._numbers_lists = not any(tag.keyword for tag in tags)
        self._written: list[str] = []
        self._breaks = 2  # line breaks at the end of what is written; the start needs none
        self._owed_breaks = 0
        self._owed_space = ""
        self._owed_bullet = ""
        self._lists: list[int] = []  # of those open, the next item's number, or 0 for bullets
        self._preformatted = 0
        self._hidden = 0  # open elements from the outermost hidden one on
        self._link = ""  # the address of the link that is open
        self._link_start = 0  # where in `_written` its text begins

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depends_on_tags |= bool(self._tags) and not self._hidden and _is_decided_by_tags(name, attributes)
        if self._hidden or name in _NEVER_SHOWN or "hidden" in attributes or _is_hiding(attributes.get("style", "")):
            self._hidden += 1
            return
        self._owe_breaks(name)
        if name == "br":
            self._break_line()
        elif name == "a":
            self._link, self._link_start = self._clean(attributes.get("href", "").strip()), len(self._written)
        elif name == "img":
            self.data(attributes.get("alt", ""))
        elif name in ("td", "th"):
            self._owed_space = "  "
        elif name == "hr":
            self.data("-" * 30)
        elif name in _LISTS:
            self._lists.append(int(name == "ol" and self._numbers_lists))
        elif name == "li":
            self._begin_item()
        elif name == "pre":
            self._preformatted += 1

    def end(self, name: str) -> None:
        if self._hidden:
            self._hidden -= 1
            return
        if name == "a":
            self._end_link()
        elif name in _LISTS:
            self._lists.pop()
        elif name == "li":
            self._owed_bullet = ""
        elif name == "pre":
            self._preformatted -= 1
        self._owe_breaks(name)

    def data(self, text: str) -> None:
        if self._hidden:
            return
        for index, part in enumerate(_MARKER.split(self._clean(text))):
            if index % 2:
                self._pay()
                self._written.append(f"\x01{part}\x02")
                if not self._tags[int(part)].keyword:
                    self._breaks = 0
            else:
                self._text(part.translate(_TYPOGRAPHY))

    def close(self) -> str:
        return "".join(self._written).rstrip("\n")

    def _clean(self, text: str) -> str:
        """Cleaned text with markers of ours only, as an author could write `&#1;9&#2;`."""
        parts = _MARKER.split(text)
        for index, part in enumerate(parts):
            if index % 2:
                parts[index] = f"\x01{part}\x02" if int(part) < len(self._tags) else ""
            else:
                parts[index] = clean_text(part)
        return "".join(parts)

    def _owe_breaks(self, name: str) -> None:
        margin = 1 if name in _LISTS and self._lists else _MARGINS.get(name, 0)
        self._owed_breaks = max(self._owed_breaks, margin)

    def _pay(self) -> None:
        """Write what is owed: line breaks, or else a space, and a list item's bullet."""
        if self._owed_breaks > self._breaks:
            self._write("\n" * (self._owed_breaks - self._breaks))
        if self._owed_bullet:
            self._write(self._owed_bullet)
        elif self._owed_space and not self._breaks:
            self._write(self._owed_space)
        self._owed_breaks = 0
        self._owed_space = self._owed_bullet = ""

    def _write(self, text: str) -> None:
        self._written.append(text)
        trailing = len(text) - len(text.rstrip("\n"))
        self._breaks = trailing + (self._breaks if trailing == len(text) else 0)

    def _text(self, text: str) -> None:
        if self._preformatted:
            if text:
                self._pay()
                self._write(text)
            return
        words = _SPACES.sub(" ", text)
        if words.startswith(" "):
            self._owed_space = self._owed_space or " "
        if visible := words.strip(" "):
            self._pay()
            self._write(visible)
            self._owed_space = " " if words.endswith(" ") else ""

    def _break_line(self) -> None:
        self._owed_space = ""
        self._pay()
        if self._breaks < 2:
            self._write("\n")

    def _begin_item(self) -> None:
        bullet = "*"
        if self._lists and self._lists[-1]:
            bullet = f"{self._lists[-1]}."
            self._lists[-1] += 1
        self._owed_bullet = "  " * (len(self._lists) - 1) + f"{bullet} "

    def _end_link(self) -> None:
        """The link's address behind its text, unless that says the same."""
        address, self._link = self._link, ""
        if not address or address.startswith(("#", "javascript:")):
            return
        short = address.removeprefix("mailto:").removeprefix("tel:")
        bare = short.removeprefix("https://").removeprefix("http://").removesuffix("/")
        label = "".join(self._written[self._link_start :]).strip()
        if label in (address, short, bare):
            return
        breaks, self._owed_breaks = self._owed_breaks, 0
        if label:
            self._owed_space = " "
        self._pay()
        self._write(f"({short})" if label else short)
        self._owed_breaks = breaks
