"""A contact as the text that is stored: the JSON array [email, name, fields], with its key behind where that is not the
email as written. Pure."""

from collections.abc import Sequence
from typing import Any

import orjson

StoredContact = list[Any]
"""[email, name, fields] or [email, name, fields, key]."""


def fragment(email: str, key: str, name: str, fields: dict[str, str]) -> str:
    """The text of a contact."""
    return text_of((email, name, fields) if key == email else (email, name, fields, key))


def address_fragment(email: str, key: str) -> str:
    """The text of a contact of whom nothing is known but the address, in which nothing stands that JSON would mark."""
    return f'["{email}","",{{}}]' if key == email else fragment(email, key, "", {})


def text_of(contact: Sequence[Any]) -> str:
    """The text of a stored contact. (No bytes: what orjson returns keeps a kilobyte of memory from other use.)"""
    return orjson.dumps(contact).decode()
