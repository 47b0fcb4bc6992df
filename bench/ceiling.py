"""The most that any sender in Python could do here: messages that are ready, and nothing else.

    .venv/bin/python -m bench.ceiling [--messages 200000] [--rounds 5]

Two processes (as many as Sendmill's workers) hand the same bytes of 4,000 octets to smtp-sink again and again, over 20
connections each, pipelined as RFC 2920 allows: the content, its final dot and the next envelope are one write, and the
replies one read. No templates, no database, no journal, no results. What Sendmill does beside that has to fit into what
is left. Beside it smtp-source, as in bench.send.
"""

import argparse
import multiprocessing
import os
import select
import socket
import statistics
import time

from bench.running import smtp_sink
from bench.send import run_smtp_source

CONNECTIONS = 20
ENVELOPE = b"MAIL FROM:<from@bench.example>\r\nRCPT TO:<to@bench.example>\r\nDATA\r\n"
CONTENT = b"Subject: Bench\r\n\r\n" + (b"x" * 78 + b"\r\n") * 49 + b"x" * 60 + b"\r\n.\r\n"
NEXT = CONTENT + ENVELOPE


def send(port: int, messages: int) -> None:
    """Send so many messages over all connections."""
    poll = select.epoll()
    open_sockets: dict[int, socket.socket] = {}
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.recv(4096)
        connection.sendall(b"EHLO bench.example\r\n")
        connection.recv(4096)
        connection.sendall(ENVELOPE)
        open_sockets[connection.fileno()] = connection
        poll.register(connection.fileno(), select.EPOLLIN)
    left = messages
    while left > 0:
        for number, _ in poll.poll():
            connection = open_sockets[number]
            if b"354 " in connection.recv(4096):
                connection.sendall(NEXT)
                left -= 1
    for connection in open_sockets.values():
        connection.close()


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ratios = []
    for number in range(1, options.rounds + 1):
        with smtp_sink() as port:
            yardstick = options.messages / run_smtp_source(port, options.messages)
        with smtp_sink() as port:
            processes = [multiprocessing.Process(target=send, args=(port, options.messages // 2)) for _ in range(2)]
            before, began = os.times(), time.monotonic()
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            rate = options.messages / (time.monotonic() - began)
            after = os.times()
        cpu = after.children_user - before.children_user + after.children_system - before.children_system
        ratios.append(rate / yardstick)
        print(
            f"round {number}: ratio {ratios[-1]:.2f}   {rate:,.0f}/s, smtp-source {yardstick:,.0f}/s   "
            f"CPU a message {cpu / options.messages * 1e6:.0f} µs",
            flush=True,
        )
    print(f"ceiling: median ratio to smtp-source {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
