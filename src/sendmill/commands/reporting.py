"""How a command ends: an exit code, and one line on standard error if it could not do what it was to do; and how it
shows what users gave."""

import sys
from collections.abc import Callable

from django.db import Error as DatabaseError

from sendmill.errors import SendmillError, SettingError


def exit_code(command: Callable[[], int]) -> int:
    """Run the command. What a user got wrong is 2, what the machine can't do is 1, Ctrl-C is 130."""
    try:
        return command()
    except SettingError as error:
        return _refused(error, 2)
    except SendmillError as error:
        return _refused(error, 1)
    except DatabaseError as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return _refused(f"The database can't be used: {first_line}", 1)
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":  # what is printed
            raise
        return _refused(f"{error.object!r} is not text in UTF-8.", 2)
    except KeyboardInterrupt:
        return 130


def one_line(text: str) -> str:
    """Text of a user, without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _refused(reason: object, code: int) -> int:
    print(f"sendmill: {reason}", file=sys.stderr)
    return code
