"""Templates with logic, run by minijinja under limits.

The engine offers `fuel` (a limit on instructions, so on time) and none on memory or output. Those are ours: the
language has nothing that grows by itself (`template_reader`), the filters are our own and metered
(`template_filters`), every value put out is metered by the engine's finalizer, and every turn of a loop is charged
with the text in the loop's body.

The engine's delimiters contain NUL, which no text has after `clean_text`. So nothing in a message's text can start a
tag, whatever it holds. Variables are renamed to v0, v1, …: no column's name can mean anything to the engine.
"""

from collections.abc import Mapping, Sequence

import minijinja

from sendmill.content.characters import clean_text
from sendmill.content.template_filters import FILTERS, Meter, RenderError, number_range
from sendmill.content.template_reader import Piece
from sendmill.content.template_tag import Tag, TemplateError

FUEL = 20_000  # instructions: about 0.5 ms. A turn of a small loop takes ten
FUEL_PER_TAG = 20
MAX_VALUES = 50_000  # characters of a contact's values; fuel doesn't count what searching them takes

_SEPARATOR = "\x00|"
_VARIABLE = "\x00{", "}\x00"
_STATEMENT = "\x00%", "%\x00"
_TEMPLATE = {True: "message.html", False: "message.txt"}  # the engine escapes by the name's ending


class Engine:
    """A template ready to be rendered by minijinja. Used by one thread at a time."""

    def __init__(self, pieces: Sequence[Piece], *, escapes_html: bool) -> None:
        """Raises TemplateError if the engine can't read it."""
        self._meter = Meter()
        self._name = _TEMPLATE[escapes_html]
        source, self._names = _engine_source(pieces)
        self._environment = self._limited_environment(fuel=FUEL + FUEL_PER_TAG * len(pieces))
        try:
            self._environment.add_template(self._name, source)
        except minijinja.TemplateError as error:
            reason = f"The tag can't be understood ({_words(error)})."
            raise TemplateError(error.line or 1, reason) from None

    @property
    def names(self) -> list[str]:
        """The variables that the template uses."""
        return list(self._names)

    def render(self, values: Mapping[str, str]) -> str:
        """The template filled in. `values` have passed through `clean_text`; those it lacks are undefined.

        Raises RenderError.
        """
        return clean_text(self._run(values))

    def render_runs(self, values: Mapping[str, str]) -> list[str]:
        """The same for a template whose pieces came from `separated`: the text of each run.

        Raises RenderError.
        """
        return [clean_text(text) for text in self._run(values).split(_SEPARATOR)]

    def _run(self, values: Mapping[str, str]) -> str:
        used = {self._names[name]: value for name, value in values.items() if name in self._names}
        if (length := sum(map(len, used.values()))) > MAX_VALUES:
            raise RenderError(f"The contact's values have {length} characters; with logic {MAX_VALUES} is the most.")
        self._meter.used = 0
        try:
            return self._environment.render_template(self._name, **used)
        except minijinja.TemplateError as error:
            if error.kind == "OutOfFuel":
                raise RenderError("The template does too much work for one message.") from None
            raise RenderError(f"Line {error.line}: {_words(error)}.") from None
        except (TypeError, ValueError, ArithmeticError) as error:  # a filter that can do nothing with what it was given
            raise RenderError(f"A filter failed: {error}.") from None
        except BaseException as error:
            # What Rust's panics become is no Exception, and would end the worker. (minijinja catches them elsewhere.)
            if type(error).__name__ == "PanicException":
                raise RenderError("The template engine failed.") from None
            raise

    def _limited_environment(self, fuel: int) -> minijinja.Environment:
        environment = minijinja.Environment(
            fuel=fuel,
            undefined_behavior="chainable",
            finalizer=self._finalize,
            keep_trailing_newline=True,
            debug=False,
            pycompat=False,
            variable_start_string=_VARIABLE[0],
            variable_end_string=_VARIABLE[1],
            block_start_string=_STATEMENT[0],
            block_end_string=_STATEMENT[1],
            comment_start_string="\x00#",
            comment_end_string="#\x00",
        )
        environment.add_global("range", self._meter.metered(number_range))
        environment.add_global("turn", self._turn)
        for name, function in FILTERS.items():
            environment.add_filter(name, self._meter.metered(function))
        return environment

    def _finalize(self, value: object) -> object:
        if value is None:
            return ""
        self._meter.charge(len(str(value)))
        return NotImplemented  # as it is

    def _turn(self, characters: int) -> str:
        self._meter.charge(characters)
        return ""


def separated(runs: Sequence[Sequence[Piece]]) -> list[Piece]:
    """The pieces of several runs as those of one template, for `Engine.render_runs`."""
    pieces: list[Piece] = []
    for run in runs:
        pieces += [_SEPARATOR, *run] if pieces else run
    return pieces


def _engine_source(pieces: Sequence[Piece]) -> tuple[str, dict[str, str]]:
    """The template in the engine's delimiters, and the engine's name of each variable.

    Tags stand on the same lines as in the author's source, so that the engine's errors name his.
    """
    turns = _loop_bodies(pieces)
    names: dict[str, str] = {}
    parts: list[str] = []
    line = 1
    for index, piece in enumerate(pieces):
        if isinstance(piece, str):
            parts.append(piece)
            line += piece.count("\n")
            continue
        skipped = "\n" * (piece.line - line)  # of lines that a tag alone on its line has taken away
        line += len(skipped)
        start, end = _STATEMENT if piece.keyword else _VARIABLE
        parts.append(f"{start}{skipped} {piece.keyword} {_expression(piece, names)} {end}")
        if index in turns:
            parts.append(f"{_VARIABLE[0]} turn({turns[index]}) {_VARIABLE[1]}")
    return "".join(parts), names


def _loop_bodies(pieces: Sequence[Piece]) -> dict[int, int]:
    """For each `for`, by index, the characters of text in one turn of it, less those of loops inside."""
    bodies: dict[int, int] = {}
    open_loops: list[int] = []
    for index, piece in enumerate(pieces):
        if isinstance(piece, str):
            if open_loops:
                bodies[open_loops[-1]] += len(piece)
        elif piece.keyword == "for":
            open_loops.append(index)
            bodies[index] = 0
        elif piece.keyword == "endfor":
            open_loops.pop()
    return bodies


def _expression(tag: Tag, names: dict[str, str]) -> str:
    """The tag's tokens in the engine's notation; new variables get the next name in `names`."""
    words = []
    for token in tag.tokens:
        if token.kind == "variable":
            words.append(names.setdefault(token.text, f"v{len(names)}"))
        elif token.kind == "string":
            escaped = token.text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            words.append(f'"{escaped}"')
        else:
            words.append(token.text)
    return " ".join(words)


def _words(error: minijinja.TemplateError) -> str:
    words = error.detail or error.kind
    return words.replace("variable block", "tag").replace("block", "tag")
