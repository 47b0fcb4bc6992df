"""Throughput of one delivery process into a relay that takes its time over every reply, by connections.

    .venv/bin/python -m bench.slow_relay [--delay 0.05] [--connections 25 50 100 200]

`bench.asyncio_sink` answers each command after the delay, so a message takes four. Beside it smtp-source with as many
sessions into the same sink. Printed: messages a second of both, their ratio, and what one connection gives: where that
stays the same, throughput grows linearly with the connections.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from bench.running import RunningServer, asyncio_sink, free_port
from bench.send import BODY, send_campaign

SECONDS = 12


def main() -> None:
    """Measure each number of connections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--connections", type=int, nargs="+", default=[25, 50, 100, 200])
    options = parser.parse_args()
    for connections in options.connections:
        messages = int(connections * SECONDS / (4 * options.delay))
        with asyncio_sink("--delay", str(options.delay)) as port:
            ours = messages / run_sendmill(port, connections, messages)
            theirs = messages / run_smtp_source(port, connections, messages)
        print(
            f"{connections:4} connections: Sendmill {ours:7,.0f}/s ({ours / connections:.2f} each), "
            f"smtp-source {theirs:7,.0f}/s, ratio {ours / theirs:.2f}",
            flush=True,
        )


def run_sendmill(port: int, connections: int, messages: int) -> float:
    """Seconds from a campaign's start to its completion."""
    with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder:
        url = f"smtp://127.0.0.1:{port}?tls=none&connections={connections}"
        with RunningServer(Path(folder), free_port(), url, {"SENDMILL_WORKERS": "1"}) as server:
            return send_campaign(server, messages, BODY)[0]


def run_smtp_source(port: int, sessions: int, messages: int) -> float:
    """Seconds that smtp-source takes for so many messages on so many sessions."""
    arguments = ["smtp-source", "-d", "-s", str(sessions), "-l", "4000", "-m", str(messages)]
    began = time.monotonic()
    subprocess.run([*arguments, "-f", "from@bench.example", "-t", "to@bench.example", f"127.0.0.1:{port}"], check=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
