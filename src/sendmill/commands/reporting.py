"""How a command ends: an exit code, and one line on standard error if it could not do what it was to do."""

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
    except KeyboardInterrupt:
        return 130


def _refused(reason: object, code: int) -> int:
    print(f"sendmill: {reason}", file=sys.stderr)
    return code
