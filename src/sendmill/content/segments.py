"""The parts of a template that need the engine, told from those that don't. Pure.

Of a newsletter with a condition or two most is the same for everybody. Only what stands between an `if` or `for` and
its end, and tags that are more than a name, have to be run; all else can be encoded when the message is compiled.
"""

from collections.abc import Sequence

from sendmill.content.template_reader import Piece
from sendmill.content.template_tag import Tag

Logic = tuple[Piece, ...]
"""A run of pieces for the engine: every block in it is closed."""


def variables_of(pieces: Sequence[Piece]) -> frozenset[str]:
    """The names that tags use, those of their loops included."""
    tags = [piece for piece in pieces if isinstance(piece, Tag)]
    return frozenset(token.text for tag in tags for token in tag.tokens if token.kind == "variable")


def segments(pieces: Sequence[Piece]) -> list[str | Tag | Logic] | None:
    """Text, tags that are a name alone, and runs of logic, in their order; None for a template with `set`.

    A variable that is set counts for all that follows, so such a template can't be taken apart.
    """
    found: list[str | Tag | Logic] = []
    run: list[Piece] = []
    depth = 0
    for piece in pieces:
        keyword = "" if isinstance(piece, str) else piece.keyword
        if keyword == "set":
            return None
        if keyword in ("if", "for"):
            depth += 1
        if depth:
            run.append(piece)
        elif isinstance(piece, str) or piece.variable is not None:
            found.append(piece)
        else:
            found.append((piece,))
        if keyword in ("endif", "endfor"):
            depth -= 1
            if not depth:
                found.append(tuple(run))
                run.clear()
    return found
