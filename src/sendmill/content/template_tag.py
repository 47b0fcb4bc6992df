"""One tag of a template: its tokens, and whether the language allows them in that order. Pure.

What is refused here, and why, is told in `template_reader`. What is left to the engine is grammar that harms nobody.
"""

import inspect
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sendmill.content.template_filters import FILTERS
from sendmill.content.variables import RESERVED
from sendmill.errors import SendmillError

TESTS_WITH_ARGUMENT = frozenset(["divisibleby", "eq", "ge", "gt", "in", "le", "lt", "ne"])
TESTS = TESTS_WITH_ARGUMENT | {"defined", "even", "odd", "undefined"}
STATEMENTS = frozenset(["if", "elif", "else", "endif", "for", "endfor", "set"])
_BARE_STATEMENTS = frozenset({"else", "endif", "endfor"})
_LITERALS = frozenset({"true", "false", "none", "True", "False", "None"})


class TemplateError(SendmillError):
    """A template that can't be read: `line` (from 1) and `reason`, a sentence for its author."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is variable, string, number, sign, literal, operator, attribute, filter, test or function.

    `text` of a string is what it stands for, without quotation marks; of a variable, in composed form (NFC).
    """

    kind: str
    text: str

    @property
    def ends_value(self) -> bool:
        """Whether a value is complete behind this token, so that what follows must be an operator or sign."""
        return self.text in (")", "]") if self.kind == "sign" else self.kind not in ("operator", "test")


@dataclass(frozen=True, slots=True)
class Tag:
    """`keyword` is the statement's first word, or "" for `{{ … }}`, whose value is put out."""

    line: int
    keyword: str
    tokens: tuple[Token, ...]

    @property
    def variable(self) -> str | None:
        """The name in `{{ name }}`, or None if the tag is anything more than that."""
        if not self.keyword and len(self.tokens) == 1 and self.tokens[0].kind == "variable":
            return self.tokens[0].text
        return None


def checked_tag(line: int, is_statement: bool, lexemes: Sequence[Token]) -> Tag:
    """The tag whose parts are `lexemes`, of kind name, string, number or sign. Raises TemplateError."""
    keyword = ""
    if is_statement:
        if not lexemes:
            raise TemplateError(line, "Something is missing in `{% %}`.")
        keyword = lexemes[0].text
        if keyword not in STATEMENTS:
            raise TemplateError(line, f"There is no statement `{keyword}`; there are {_listed(STATEMENTS | {'raw'})}.")
        lexemes = lexemes[1:]
    tokens = _Checker(line, lexemes, is_assignment=keyword == "set").tokens()
    _check_form(line, keyword, tokens)
    _check_filter_arguments(line, tokens)
    _check_test_arguments(line, tokens)
    return Tag(line, keyword, tokens)


class _Checker:
    """Gives each part of a tag its kind, and refuses the first that may not stand where it stands."""

    def __init__(self, line: int, lexemes: Sequence[Token], *, is_assignment: bool) -> None:
        self._line = line
        self._lexemes = lexemes
        self._is_assignment = is_assignment
        self._tokens: list[Token] = []
        self._brackets: list[str] = []  # "call", "group", "index" or "list" for each one open

    def tokens(self) -> tuple[Token, ...]:
        for lexeme, following in zip(self._lexemes, [*self._lexemes[1:], None], strict=False):
            if lexeme.kind == "sign":
                self._sign(lexeme)
            elif lexeme.kind == "name":
                self._value(self._named(lexeme.text, is_called=following == Token("sign", "(")))
            else:
                self._value(lexeme)
        if self._brackets:
            raise self._error("A bracket is not closed.")
        return tuple(self._tokens)

    def _error(self, reason: str) -> TemplateError:
        return TemplateError(self._line, reason)

    def _follows(self, *texts: str) -> bool:
        """Whether the last tokens are operators or signs of these texts."""
        last = self._tokens[-len(texts) :]
        return [token.text for token in last if token.kind in ("operator", "sign")] == list(texts)

    def _named(self, text: str, *, is_called: bool) -> Token:
        """What a name is, by what stands before it."""
        if self._follows("."):
            return Token("attribute", text)
        if self._follows("|"):
            if text not in FILTERS:
                raise self._error(f"There is no filter `{text}`; there are {_listed(FILTERS)}.")
            return Token("filter", text)
        if (self._follows("is") and text != "not") or self._follows("is", "not"):
            if text not in TESTS:
                raise self._error(f"There is no test `{text}`; there are {_listed(TESTS)}.")
            return Token("test", text)
        if text in _LITERALS or text == "loop":
            return Token("literal", text)
        if text in RESERVED:
            return Token("operator", text)
        if text == "range" and is_called:
            return Token("function", text)
        text = unicodedata.normalize("NFC", text)
        if not text.isidentifier():
            raise self._error(f"`{text}` is not a name. (Quotation marks must be straight: \" or '.)")
        return Token("variable", text)

    def _value(self, token: Token) -> None:
        """A token that is no sign: it may not stand beside another value, and in a list only if it is a literal."""
        last = self._tokens[-1] if self._tokens else None
        if last and last.ends_value and token.kind != "operator":
            words = f"{last.text} {token.text}"
            hint = ""
            if last.kind == token.kind == "variable":
                hint = f" A column headed “{words}” is reached as `{'_'.join(words.lower().split())}`."
            raise self._error(f"`{words}`: there is nothing between the two.{hint}")
        if self._brackets[-1:] == ["list"] and token.kind not in ("string", "number", "literal"):
            raise self._error("A list can hold only texts and numbers.")
        self._tokens.append(token)

    def _sign(self, token: Token) -> None:
        last = self._tokens[-1] if self._tokens else None
        after_value = last is not None and last.ends_value
        sign = token.text
        if sign in ("(", "["):
            self._open(sign, last if after_value else None)
        elif sign in (")", "]"):
            if not self._brackets or (self._brackets.pop() in ("call", "group")) != (sign == ")"):
                raise self._error(f"`{sign}` closes no bracket.")
        elif sign == "," and self._brackets[-1:] not in (["call"], ["list"]):
            raise self._error("A comma can't stand here.")
        elif sign == "=" and not (self._is_assignment and len(self._tokens) == 1):
            raise self._error("`=` can't stand here; what compares is `==`.")
        elif sign == "-" and after_value:
            raise self._error("A message doesn't compute. (A column headed “a-b” is reached as `a_b`.)")
        elif self._brackets[-1:] == ["list"] and sign not in (",", "-"):
            raise self._error("A list can hold only texts and numbers.")
        self._tokens.append(token)

    def _open(self, sign: str, value: Token | None) -> None:
        """An opening bracket, behind `value` if it belongs to one."""
        if self._brackets[-1:] == ["list"]:
            raise self._error("A list can hold only texts and numbers.")
        if sign == "[":
            self._brackets.append("index" if value else "list")
        elif value is None:
            self._brackets.append("group")
        elif value.kind in ("filter", "function"):
            self._brackets.append("call")
        else:
            raise self._error(f"`{value.text}(`: only `range` and filters can be called.")


def _check_form(line: int, keyword: str, tokens: Sequence[Token]) -> None:
    """Refuse a statement that lacks what its keyword needs, in words better than the engine's."""
    start = [token.kind if token.kind == "variable" else token.text for token in tokens[:2]]
    if keyword in _BARE_STATEMENTS:
        if tokens:
            raise TemplateError(line, f"Nothing can follow the word in `{{% {keyword} %}}`.")
    elif keyword == "for" and (start != ["variable", "in"] or len(tokens) < 3):
        raise TemplateError(line, "A loop is written `{% for item in list %}`.")
    elif keyword == "set" and (start != ["variable", "="] or len(tokens) < 3):
        raise TemplateError(line, "A value gets a name with `{% set word = value %}`.")
    elif not tokens:
        where = f"`{{% {keyword} %}}`" if keyword else "`{{ }}`"
        raise TemplateError(line, f"Something is missing in {where}.")


def _check_filter_arguments(line: int, tokens: Sequence[Token]) -> None:
    """Refuse a filter with too few or too many arguments: at sending time it would fail for every recipient."""
    for index, token in enumerate(tokens):
        if token.kind != "filter":
            continue
        count = _argument_count(tokens[index + 1 :])
        try:
            inspect.signature(FILTERS[token.text]).bind(*range(count + 1))
        except TypeError:
            raise TemplateError(line, f"The filter `{token.text}` doesn't take {count} arguments.") from None


def _check_test_arguments(line: int, tokens: Sequence[Token]) -> None:
    """Refuse a test that lacks what it compares with, or has something to compare with and takes nothing, and one by 0:
    at sending time they too would fail for every recipient.
    """
    for index, token in enumerate(tokens):
        if token.kind != "test":
            continue
        following = tokens[index + 1 :]
        takes = int(token.text in TESTS_WITH_ARGUMENT)
        if following and following[0].text == "(":
            count = _argument_count(following)
        else:
            count = int(bool(following) and _begins_value(following[0]))
        if count != takes:
            raise TemplateError(line, f"The test `{token.text}` doesn't take {count} arguments.")
        number = next((each for each in following if each != Token("sign", "(")), None)
        if token.text == "divisibleby" and number and number.kind == "number" and int(float(number.text)) == 0:
            raise TemplateError(line, "Nothing is divisible by 0.")


def _begins_value(token: Token) -> bool:
    return token.text in ("[", "-") if token.kind == "sign" else token.kind not in ("operator", "attribute", "filter")


def _argument_count(tokens: Sequence[Token]) -> int:
    """The number of arguments in the call's brackets that `tokens` start with; 0 if they don't."""
    if not tokens or tokens[0].text != "(":
        return 0
    depth = commas = 0
    for index, token in enumerate(tokens):
        if token.kind == "sign":
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
            commas += depth == 1 and token.text == ","
        if depth == 0:
            return commas + 1 if index > 1 else 0
    return 0


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
