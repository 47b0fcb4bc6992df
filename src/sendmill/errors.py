"""The product's errors. Nothing of HTTP is known here: `sendmill.api` and the command line translate them.

SendmillError
├── SettingError        an environment variable can't be used
├── InvalidField        a value that was given is wrong; names the field
├── InvalidFields       several are: a collection of the above
├── NotFound            no such thing for this client
├── Conflict            the thing is in use, or in a state that doesn't allow this
└── LeaseLost           another worker has taken over what this one thought was its own
"""

from collections.abc import Callable, Sequence
from typing import Any


class SendmillError(Exception):
    """Root of every error this product raises on purpose. `str()` of it is fit for a user."""


class SettingError(SendmillError):
    """An environment variable holds a value that can't be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class InvalidField(SendmillError):
    """A given value is wrong.

    `path` leads to it: ("email",) or ("attributes", "schedule", "timezone").
    """

    def __init__(self, path: str | Sequence[str], reason: str) -> None:
        self.path: tuple[str, ...] = (path,) if isinstance(path, str) else tuple(path)
        self.reason = reason
        super().__init__(f"{'.'.join(self.path)}: {reason}")

    def below(self, *parents: str) -> "InvalidField":
        """The same error with its path under `parents`."""
        return InvalidField((*parents, *self.path), self.reason)


class InvalidFields(SendmillError):
    """Several given values are wrong. `errors` holds one `InvalidField` for each, at least one."""

    def __init__(self, errors: Sequence[InvalidField]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(str(error) for error in self.errors))

    def below(self, *parents: str) -> "InvalidFields":
        """The same errors with their paths under `parents`."""
        return InvalidFields([error.below(*parents) for error in self.errors])


def all_of(*readers: Callable[[], Any]) -> list[Any]:
    """What the readers return, or InvalidFields with everything that they raise."""
    values, errors = [], []
    for read in readers:
        try:
            values.append(read())
        except InvalidField as error:
            errors.append(error)
        except InvalidFields as several:
            errors.extend(several.errors)
    if errors:
        raise InvalidFields(errors)
    return values


class NotFound(SendmillError):
    """There is no such thing, or it is another client's, which must look the same."""


class Conflict(SendmillError):
    """What is asked for doesn't fit the state that things are in; the text says why."""


class LeaseLost(SendmillError):
    """The chunk's fencing number has moved on: another worker owns it now."""
