"""Ports of 127.0.0.1 that stay free while a test has its server down."""

import random
import socket

# Below the range that Linux gives to outgoing connections (ip_local_port_range, from 32768): such a connection could
# take the port of a server that is down for a moment, or, trying to reach that very port, connect to itself.
_FIRST, _LAST = 15_000, 32_000


def free_port() -> int:
    """A port that nobody listens on now."""
    while True:
        port = random.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
