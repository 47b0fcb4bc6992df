"""How a command ends: an exit code, and one line on standard error if it could not do what it was to do; and how it
shows what users gave."""

import os
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


def exit_code_of_command(command: Callable[[], int]) -> int:
    """As `exit_code`, for a whole command line: what the system refuses is a line too, output that nobody takes none.

    Child processes don't use it: what they didn't foresee is to be found in the log, with where it was.
    """
    try:
        code = exit_code(command)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        code = 1
    except OSError as error:
        code = _refused(": ".join(map(str, filter(None, (error.filename, error.strerror or error)))), 1)
    try:
        sys.stdout.flush()
    except OSError:  # Python would try once more at its end, and say so
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def one_line(text: str) -> str:
    """Text of a user, without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _refused(reason: object, code: int) -> int:
    print(f"sendmill: {reason}", file=sys.stderr)
    return code
