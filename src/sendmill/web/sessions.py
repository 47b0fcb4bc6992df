"""Sessions in the database, as Django has them. The setting SESSION_ENGINE names this module."""

from django.contrib.sessions.backends import db

_KEY_CHARACTERS = 8  # at least, as Django has it


class SessionStore(db.SessionStore):
    """A cookie can hold anything as a session's key, a NUL too, which PostgreSQL's text can't be compared with."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Called by Django: what is no key isn't looked for."""
        return key is not None and len(key) >= _KEY_CHARACTERS and key.isascii() and key.isalnum()
