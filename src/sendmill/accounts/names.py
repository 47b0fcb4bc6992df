"""Names that people give to things of their account."""

from sendmill.errors import InvalidField

MAX_NAME_LENGTH = 200


def checked_name(name: str) -> str:
    """The name without space around it. Raises InvalidField("name")."""
    name = name.strip()
    if not name:
        raise InvalidField("name", "may not be empty.")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidField("name", f"may have no more than {MAX_NAME_LENGTH} characters.")
    if not name.isprintable():
        raise InvalidField("name", "may not have control characters.")
    return name
