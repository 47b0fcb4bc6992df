"""Reading a template: text and tags, and which tags there may be. Pure; knows nothing of the engine.

A template comes from a tenant and runs in everybody's worker, so the engine is never given what the author wrote. It
gets what this module has read, token by token, and `template_engine` has written anew. The language is a part of
Jinja's:

    {{ name }}  {{ city|default("your town") }}  {% if city == "Bern" %}…{% elif … %}…{% else %}…{% endif %}
    {% for tag in tags|split(",") %}{{ loop.index }} {{ tag }}{% else %}…{% endfor %}
    {% set greeting = … %}  {# a comment #}  {% raw %}…{% endraw %}  and `-` beside a brace to drop white space

There is nothing in it by which a value grows without bound, since the engine has no limit on memory: no `~ + * **`, no
list of anything but literals, no slices, no macros, no calls but `range`, no methods. Nothing can be included,
imported or extended. Long and deep expressions are refused too: minijinja 3.0.5 ends the whole process with a stack
overflow on 20,000 times `not` in one tag, and on as many `elif`.

A statement or comment that is alone on its line takes the line away with it.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sendmill.content.characters import clean_text
from sendmill.content.template_tag import Tag, TemplateError, Token, checked_tag

MAX_TAGS = 10_000
MAX_TOKENS = 200  # in a tag
MAX_DEPTH = 100  # of conditions and loops in each other, every `elif` counted; the engine counts to 150, without elif
MAX_LOOP_DEPTH = 3  # a loop over a long text holds all its characters at once

Piece = str | Tag

_OPENING = re.compile(r"\{[{%#]")
_REST_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")
_END_RAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")
# &nbsp; &lt; &gt; &quot; &#39; are what HTML editors make of what is typed inside a tag.
_TOKEN = re.compile(
    r"""(?P<space>(?:\s|&nbsp;)+)
      | (?P<closing>-?(?:\}\}|%\}))
      | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | &quot;.*?&quot; | &\#39;.*?&\#39;)
      | (?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?(?![0-9]))
      | (?P<name>(?:[A-Za-z_]|(?!\s)[^\x00-\x7f])(?:[A-Za-z0-9_]|(?!\s)[^\x00-\x7f])*)
      | (?P<sign>==|!=|(?:<|&lt;)=?|(?:>|&gt;)=?|[()\[\],.|=-])
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING_ESCAPE = re.compile(r"\\([nt\\\"'])")
_ESCAPED = {"n": "\n", "t": "\t"}


@dataclass(frozen=True, slots=True)
class _Found:
    """A tag as it stands in the source, from `start` to `end`. `piece` is None for a comment, text for raw."""

    start: int
    end: int
    piece: Piece | None
    trims_left: bool
    trims_right: bool

    @property
    def takes_line(self) -> bool:
        """Whether it takes its line away if it is alone on it."""
        return self.piece is None or (isinstance(self.piece, Tag) and self.piece.keyword != "")


def read_template(source: str) -> tuple[Piece, ...]:
    """The text and the tags of a template, in order; its text has passed through `clean_text`.

    Whether its conditions and loops are closed is for `check_blocks` to say. Raises TemplateError, which names the
    line. Linear in the length of `source`.
    """
    source = clean_text(source)
    pieces: list[Piece] = []
    position = 0
    trims, begins_line = False, True  # what the tag before has left for the text from `position` on
    for number, found in enumerate(_tags(source), start=1):
        if number > MAX_TAGS:
            raise TemplateError(source.count("\n", 0, found.start) + 1, f"There are more than {MAX_TAGS} tags.")
        text = source[position : found.start]
        indentation = text.rpartition("\n")[2]
        rest_of_line = _REST_OF_LINE.match(source, found.end)
        is_alone = (
            found.takes_line
            and rest_of_line is not None
            and not indentation.strip(" \t")
            and (begins_line or len(indentation) < len(text))
        )
        text = text.lstrip() if trims else text
        if found.trims_left:
            text = text.rstrip()
        elif is_alone:
            text = text.rstrip(" \t")
        pieces.append(text)
        if found.piece is not None:
            pieces.append(found.piece)
        position = rest_of_line.end() if is_alone and rest_of_line else found.end
        trims, begins_line = found.trims_right, is_alone
    pieces.append(source[position:].lstrip() if trims else source[position:])
    return join_text(pieces)


def join_text(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The same pieces without empty text, and with one text where several stood side by side."""
    joined: list[Piece] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
            continue
        if text := "".join(texts):
            joined.append(text)
        joined.append(piece)
        texts.clear()
    if text := "".join(texts):
        joined.append(text)
    return tuple(joined)


def check_blocks(pieces: Iterable[Piece]) -> None:
    """Raise TemplateError unless every condition and loop is closed by its own end, and none is nested too deep."""
    blocks: list[_Block] = []
    for tag in pieces:
        if isinstance(tag, str) or tag.keyword in ("", "set"):
            continue
        if tag.keyword in ("if", "for"):
            blocks.append(_Block(tag))
        elif not blocks:
            raise TemplateError(tag.line, f"`{{% {tag.keyword} %}}` belongs to no `if` or `for`.")
        elif tag.keyword == blocks[-1].end:
            blocks.pop()
        else:
            blocks[-1].branch(tag)
        if sum([block.depth for block in blocks]) > MAX_DEPTH:
            raise TemplateError(tag.line, f"Conditions and loops are nested more than {MAX_DEPTH} deep.")
        if sum([block.end == "endfor" for block in blocks]) > MAX_LOOP_DEPTH:
            raise TemplateError(tag.line, f"Loops are nested more than {MAX_LOOP_DEPTH} deep.")
    if blocks:
        start = blocks[-1].start
        raise TemplateError(start.line, f"`{{% {start.keyword} … %}}` is not closed with `{{% {blocks[-1].end} %}}`.")


class _Block:
    """A condition or loop that is open, and how deep the engine's stack gets for it."""

    def __init__(self, start: Tag) -> None:
        self.start = start
        self.end = f"end{start.keyword}"
        self.depth = 1
        self._has_else = False

    def branch(self, tag: Tag) -> None:
        """Take in the block's `elif` or `else`. Raises TemplateError for any other, and for one too many."""
        if tag.keyword.startswith("end"):
            where = f"line {self.start.line}"
            raise TemplateError(tag.line, f"`{{% {tag.keyword} %}}`: `{self.start.keyword}` of {where} is open.")
        if self._has_else or (tag.keyword == "elif" and self.start.keyword != "if"):
            raise TemplateError(tag.line, f"`{{% {tag.keyword} %}}` can't stand here.")
        self._has_else = tag.keyword == "else"
        self.depth += tag.keyword == "elif"


def _tags(source: str) -> Iterator[_Found]:
    """Every tag, comment and raw text in `source`."""
    last_comment_end = source.rfind("#}")
    position = counted = 0
    line = 1
    while opening := _OPENING.search(source, position):
        start, inside = opening.span()
        line += source.count("\n", counted, start)
        counted = start
        trims_left = source.startswith("-", inside)
        if opening[0] == "{#":
            position = inside
            if inside <= last_comment_end:  # else it is text: minified CSS has `{#id{…}}`
                position = source.find("#}", inside) + 2
                yield _Found(start, position, None, trims_left, source[position - 3] == "-")
            continue
        lexemes, position = _lexemes(source, inside + trims_left, line, opening[0])
        trims_right = source[position - 3] == "-"
        piece: Piece
        if opening[0] == "{%" and lexemes == [Token("name", "raw")]:
            end = _END_RAW.search(source, position)
            if end is None:
                raise TemplateError(line, "`{% raw %}` is not closed with `{% endraw %}`.")
            piece, position = source[position : end.start()], end.end()
            trims_right = source[position - 3] == "-"
        else:
            piece = checked_tag(line, opening[0] == "{%", lexemes)
        yield _Found(start, position, piece, trims_left, trims_right)


def _lexemes(source: str, position: int, line: int, opening: str) -> tuple[list[Token], int]:
    """The parts of the tag whose inside starts at `position`, and where the tag ends."""
    closing = "}}" if opening == "{{" else "%}"
    lexemes: list[Token] = []
    while match := _TOKEN.match(source, position):
        position = match.end()
        kind, text = str(match.lastgroup), match[0]
        if kind == "closing":
            if not text.endswith(closing):
                raise TemplateError(line, f"`{opening}` is closed with `{text[-2:]}` and not with `{closing}`.")
            return lexemes, position
        if kind == "string":
            text = _string_value(text)
        elif kind == "sign":
            text = html.unescape(text)
        if kind != "space":
            lexemes.append(Token(kind, text))
        if len(lexemes) > MAX_TOKENS:
            raise TemplateError(line, f"The tag has more than {MAX_TOKENS} words and signs.")
    end = source.find(closing, position)
    if end == -1 or "\n" in source[position:end] or opening in source[position:end]:
        raise TemplateError(line, f"`{opening}` is not closed with `{closing}`.")
    raise TemplateError(line, f"`{source[position]}` can't stand in a tag.")


def _string_value(literal: str) -> str:
    if literal.startswith("&"):
        return html.unescape(literal.partition(";")[2].rpartition("&")[0])
    return _STRING_ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), literal[1:-1])
