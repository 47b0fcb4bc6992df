"""A person behind an address: all that is kept of them in a client, and how that is erased."""
