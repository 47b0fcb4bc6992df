"""A DNS server on loopback, over UDP and TCP, that answers from a table."""

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]
"""(name, type) → the records as a zone file has them. Type `SILENT` is never answered, `SERVFAIL` with that."""


class DnsServer:
    """`questions` are the names that were asked for, in their order."""

    def __init__(self, zone: Zone) -> None:
        self._zone = {(name.lower().rstrip("."), kind): records for (name, kind), records in zone.items()}
        self.questions: list[str] = []
        self.address: tuple[str, int] = ("", 0)

    def answer(self, wire: bytes, longest: int) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.questions.append(name)
        if (name, "SILENT") in self._zone:
            return None
        reply = dns.message.make_response(query)
        kind = question.rdtype.name
        if (name, "SERVFAIL") in self._zone:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif records := self._zone.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not any(known == name for known, _ in self._zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        answered = reply.to_wire()
        if len(answered) > longest:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            answered = reply.to_wire()
        return answered


@contextmanager
def dns_server(zone: Zone) -> Iterator[DnsServer]:
    """A running server; its address is in `address`."""
    server = DnsServer(zone)

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, out = self.request
            answered = server.answer(wire, 512)
            if answered is not None:
                out.sendto(answered, self.client_address)

    class Streams(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = int.from_bytes(self.rfile.read(2), "big")
            answered = server.answer(self.rfile.read(length), 65_535)
            if answered is not None:
                self.wfile.write(len(answered).to_bytes(2, "big") + answered)

    with _bound(Datagrams, Streams) as (udp, tcp):
        server.address = ("127.0.0.1", udp.server_address[1])
        threads = [threading.Thread(target=part.serve_forever, args=(0.01,), daemon=True) for part in (udp, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            for part in (udp, tcp):
                part.shutdown()
            for thread in threads:
                thread.join()


@contextmanager
def _bound(
    datagrams: type[socketserver.BaseRequestHandler], streams: type[socketserver.BaseRequestHandler]
) -> Iterator[tuple[socketserver.ThreadingUDPServer, socketserver.ThreadingTCPServer]]:
    """Both on one port: a free one of UDP may be somebody's of TCP, and then another is taken."""
    for _ in range(50):
        with socketserver.ThreadingUDPServer(("127.0.0.1", 0), datagrams) as udp:
            try:
                tcp = socketserver.ThreadingTCPServer(udp.server_address, streams)
            except OSError:
                continue
            with tcp:
                yield udp, tcp
                return
    raise AssertionError("no port is free for UDP and TCP")
