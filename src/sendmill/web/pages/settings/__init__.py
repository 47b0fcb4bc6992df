"""Settings of a client, a module per page."""
