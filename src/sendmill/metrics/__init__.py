"""Numbers that grow with what happens, over all processes and machines, for Prometheus."""
