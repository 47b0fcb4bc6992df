"""`sendmill demo`: a sample campaign, played through the public API on a server of its own."""
