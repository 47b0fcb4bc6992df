"""Templates in a message's subject and body: read, checked, and filled in for a recipient. Pure.

    {{ name }}, {{ email }}, {{ any_column }}; conditions, loops and filters as `template_reader` has them

An unknown name is empty, and so is everything asked of it. Values are data: `{{ … }}` inside a value stays as it is.
In HTML, values are escaped. A template of plain `{{ name }}` tags is joined here or, faster still, as bytes
(`compile`); any other is run by minijinja under limits (`template_engine`). Both give the same text.
"""

from collections.abc import Mapping, Sequence

from sendmill.content.characters import escape_html
from sendmill.content.template_engine import Engine
from sendmill.content.template_filters import RenderError, check_produced, is_html_already
from sendmill.content.template_reader import Piece, check_blocks, read_template
from sendmill.content.template_tag import Tag, TemplateError
from sendmill.content.variables import fields_as_variables, variable_name

__all__ = ["RenderError", "Template", "TemplateError", "check_template", "fields_as_variables", "variable_name"]


class Template:
    """A template that has been read.

    `pieces` are its texts and tags in order. `is_plain` says that every tag is a `{{ name }}`: then a rendering is the
    pieces, each tag replaced by its variable's value, escaped if `escapes_html`. `uses_html_filters` says that it
    marks values as HTML (`safe`, `escape`), which makes no sense in text.
    """

    def __init__(self, pieces: Sequence[Piece], *, escapes_html: bool, always_engine: bool = False) -> None:
        """`always_engine` has a plain template run by the engine too; for the test that compares both roads.

        Raises TemplateError.
        """
        check_blocks(pieces)
        self.pieces = tuple(pieces)
        self.escapes_html = escapes_html
        tags = [piece for piece in pieces if isinstance(piece, Tag)]
        self.is_plain = not always_engine and all(tag.variable is not None for tag in tags)
        self.uses_html_filters = any(
            token.kind == "filter" and token.text in ("safe", "escape", "e") for tag in tags for token in tag.tokens
        )
        self._engine = None if self.is_plain else Engine(self.pieces, escapes_html=escapes_html)

    def render(self, values: Mapping[str, str]) -> str:
        """The text for one recipient. `values`, by variable name, have passed through `clean_text`.

        Raises RenderError.
        """
        if self._engine is not None:
            return self._engine.render(values)
        texts = []
        filled = 0
        for piece in self.pieces:
            if isinstance(piece, str):
                texts.append(piece)
            elif value := values.get(piece.variable or "", ""):
                filled += len(value)
                texts.append(value if not self.escapes_html or is_html_already(value) else escape_html(value))
        check_produced(filled)
        return "".join(texts)


def check_template(source: str) -> None:
    """Raise TemplateError, with line and reason, unless `source` can be read as a subject or a body."""
    Template(read_template(source), escapes_html=False)
