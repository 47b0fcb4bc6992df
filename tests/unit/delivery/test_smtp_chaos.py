"""A server that does anything at any moment: what it has taken and what we say of it must still agree."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import BOTH, OK, QUICK, Peer, Reply, ScriptedServer, Sending, in_loop, message

MESSAGES = 150
LIMITS = replace(QUICK, pause_first=0.04, pause_longest=0.3)
ENVELOPE_REPLIES = (
    b"450 4.2.0 later\r\n", b"550-5.1.1 no\r\n550 5.1.1 never\r\n", b"421 4.3.2 going\r\n", b"250", b"nonsense\r\n",
    b"354 what?\r\n", b"", OK + OK,
)  # fmt: skip
CONTENT_REPLIES = (
    b"451 4.3.0 later\r\n",
    b"554 5.7.1 spam\r\n",
    b"421 4.3.2 going\r\n",
    b"nonsense\r\n",
    b"354 ?\r\n",
    b"",
)


class Chaos:
    """One server's behaviour, the same for the same seed. `taken` holds what it took over, answered or not."""

    def __init__(self, seed: int, extensions: tuple[bytes, ...]) -> None:
        self.random = random.Random(seed)
        self.extensions = extensions
        self.taken: Counter[int] = Counter()

    async def script(self, peer: Peer) -> None:
        if self.random.random() < 0.1:
            await peer.send(self.random.choice((b"421 4.3.2 busy\r\n", b"554 no\r\n", b"")))
            return
        await peer.greet(*self.extensions)
        await peer.serve(
            lambda line: self.on_command(peer), lambda content: self.on_content(peer, content), self.send_to(peer)
        )

    def on_command(self, peer: Peer) -> Reply:
        chance = self.random.random()
        if chance < 0.01:
            peer.drop()
        return self.random.choice(ENVELOPE_REPLIES) if chance > 0.96 else None

    def on_content(self, peer: Peer, content: bytes) -> Reply:
        chance = self.random.random()
        if chance > 0.92:
            return self.random.choice(CONTENT_REPLIES)
        found = re.fullmatch(rb"Subject: (\d+)\r\n\r\n(?:Hello|x*)\r\n", content)
        if found is None:
            # The lone dot after a refused recipient; only a whole message may come otherwise.
            assert content == b""
            return b"554 5.5.1 no valid recipients\r\n"
        self.taken[int(found[1])] += 1
        if chance < 0.02:
            peer.drop()
        return None

    def send_to(self, peer: Peer) -> Callable[[bytes], Awaitable[None]]:
        async def send(data: bytes) -> None:
            if not data:
                # Silent from here on. One that left out a reply and went on could not be told from one that answered.
                while await peer.reader.read(65_536):
                    pass
                raise ConnectionResetError
            if self.random.random() < 0.1:
                for octet in data:
                    await peer.send(bytes([octet]))
                    await asyncio.sleep(0)
            else:
                await peer.send(data)

        return send


@BOTH
@pytest.mark.parametrize("seed", range(6))
@in_loop
async def test_what_the_server_took_is_what_the_outcomes_say(seed: int, extensions: tuple[bytes, ...]) -> None:
    """ACCEPTED: taken exactly once. IN_DOUBT: taken at most once. Anything else: not taken. And an outcome for each."""
    chaos = Chaos(seed, extensions)
    async with (
        ScriptedServer(chaos.script) as server,
        Sending(
            server,
            query="tls=none&connections=4",
            limits=LIMITS,
            messages_per_connection=30,
        ) as sending,
    ):
        for number in range(MESSAGES):
            await sending.pool.wait_for_slot()
            body = b"x" * chaos.random.choice((10, 10, 10, 40_000, 400_000))
            sending.submit(message(number, content=b"Subject: %d\r\n\r\n%b\r\n" % (number, body)))
        await sending.all_concluded()
    wrong = [
        (outcome, chaos.taken[outcome.delivery_id])
        for outcome in sending.outcomes
        if chaos.taken[outcome.delivery_id]
        not in {OutcomeKind.ACCEPTED: (1,), OutcomeKind.IN_DOUBT: (0, 1)}.get(outcome.kind, (0,))
    ]
    assert not wrong
    kinds = Counter(outcome.kind for outcome in sending.outcomes)
    assert kinds[OutcomeKind.ACCEPTED] > MESSAGES / 4, kinds
    assert set(sending.asked) >= {number for number, taken in chaos.taken.items() if taken}
