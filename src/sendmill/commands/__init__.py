"""The subcommands of `sendmill`, one module each."""
