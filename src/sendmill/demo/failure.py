"""What ends the demo."""

from sendmill.errors import SendmillError


class DemoFailed(SendmillError):
    """The demo can't go on, or something was not as it should be. `str()` of it is one line for a user."""
