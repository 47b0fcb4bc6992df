"""All relays of one worker process."""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sendmill.delivery.outbox import OutboxChannel
from sendmill.delivery.relay_channel import RelayChannel
from sendmill.delivery.relay_state import LossCounter
from sendmill.delivery.relays import Relay
from sendmill.delivery.routes import Room
from sendmill.delivery.smtp import refuse_addresses
from sendmill.delivery.transmission import (
    OnLastBytes,
    OnOutcome,
    Outcome,
    OutcomeKind,
    RelayHealth,
    TimeLimits,
    Transmission,
)

MESSAGES_PER_CONNECTION = 500
"""Servers count: Exim ends a session after 1,000 messages, others after fewer."""


class RelayPool:
    """Hands transmissions to relays and tells what became of each: exactly one outcome for every `submit`.

    Everything happens in one event loop, and no method blocks. `on_last_bytes(delivery_id)` is called immediately
    before the write that holds the content's last byte; unless it returns True, nothing is delivered and the outcome
    is NOT_SENT. `on_outcome` may be called from within `submit`, and may itself call `submit`.

    An error in a callback goes to the event loop's exception handler; in `on_last_bytes` it counts as False.

    `ready` is how many transmissions each relay takes beyond the two per connection that are on the wire. They are
    what a connection puts into the write that ends its last message; without any, each message costs a write more.

    A relay with a rate sends only what `grant` allows, one with a limit of connections opens only what
    `allow_connections` does: both hold over all workers, so neither is kept here.
    """

    def __init__(
        self,
        relays: Sequence[Relay],
        on_last_bytes: OnLastBytes,
        on_outcome: OnOutcome,
        *,
        limits: TimeLimits | None = None,
        outbox_folder: Path | None = None,
        ready: int | None = None,
        messages_per_connection: int = MESSAGES_PER_CONNECTION,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._relays = relays
        self.limits = limits or TimeLimits()
        self.losses = LossCounter()
        self.messages_per_connection = messages_per_connection
        self.random = random
        self.tick_seconds = _tick_seconds(self.limits)
        self._on_last_bytes = on_last_bytes
        self._on_outcome = on_outcome
        self._slots_changed = asyncio.Event()
        self._channels: list[RelayChannel | OutboxChannel] = [
            OutboxChannel(relay, self, outbox_folder)
            if relay.kind == "outbox"
            else RelayChannel(relay, self, relay.connections if ready is None else ready, tls_context_of(relay))
            for relay in relays
        ]
        self._by_name = {channel.name: channel for channel in self._channels}

    # What a worker calls --------------------------------------------------------------------------------------------

    def free_slots(self) -> int:
        """How many transmissions the relays that are up take right now."""
        return sum(channel.free_slots() for channel in self._channels)

    def room(self) -> Room:
        """The free slots of each relay that is up."""
        return Room({channel.name: channel.free_slots() for channel in self._channels if channel.is_up})

    async def wait_for_slot(self) -> None:
        """Returns when `free_slots()` is above 0."""
        while self.free_slots() == 0:
            self._slots_changed.clear()
            await self._slots_changed.wait()

    def submit(self, transmission: Transmission) -> None:
        """Hands over a transmission. It goes to the relay with the most free slots on its route."""
        refusal = refuse_addresses(transmission)
        if refusal is not None:
            self.refuse(transmission, refusal, "")
            return
        self._channel_for(transmission).submit(transmission)

    def withdraw(self, is_wanted_back: Callable[[Transmission], bool]) -> None:
        """Gives back, NOT_SENT, those of which nothing is on the wire yet and `is_wanted_back` is true."""
        for channel in self._channels:
            channel.withdraw(is_wanted_back)

    def set_limits(self, relay_name: str, *, has_rate: bool, has_connections: bool) -> None:
        """From now on a relay sends only what `grant` allows, or opens only what `allow_connections` does, or neither.

        What it had been allowed before stays allowed.
        """
        channel = self._by_name[relay_name]
        if has_rate != (channel.permits is not None):
            channel.permits = 0 if has_rate else None
        if has_connections != (channel.allowed_connections is not None):
            channel.allow_connections(0 if has_connections else None)

    def allow_connections(self, relay_name: str, connections: int) -> None:
        """How many connections a relay with a limit may have open."""
        self._by_name[relay_name].allow_connections(connections)
        self.slots_changed()

    def connections_in_use(self, relay_name: str) -> int:
        """How many connections of a relay are open, or being opened."""
        return self._by_name[relay_name].connections_in_use

    def grant(self, relay_name: str, messages: int) -> None:
        """Allows a relay that has a rate this many messages more."""
        channel = self._by_name[relay_name]
        if channel.permits is not None:
            channel.permits += messages
        self.slots_changed()

    def health(self) -> list[RelayHealth]:
        """The state of each relay, in the order they were given."""
        return [
            replace(channel.health(), senders=tuple(sorted(relay.senders)), clients=tuple(sorted(relay.clients)))
            for channel, relay in zip(self._channels, self._relays, strict=True)
        ]

    async def close(self, seconds: float) -> None:
        """Finishes the transactions whose MAIL is on the wire and says QUIT; all else comes back NOT_SENT at once.

        What is not finished after `seconds` is cut off, and comes back IN_DOUBT or NOT_SENT.
        """
        for channel in self._channels:
            channel.begin_close()
        try:
            async with asyncio.timeout(seconds):
                while not all(channel.is_settled for channel in self._channels):
                    self._slots_changed.clear()
                    await self._slots_changed.wait()
        except TimeoutError:
            for channel in self._channels:
                channel.abort()

    # What its channels call -----------------------------------------------------------------------------------------

    def may_send(self, delivery_id: int) -> bool:
        """Called immediately before the write that holds the content's last byte; an error there is a no."""
        try:
            return self._on_last_bytes(delivery_id)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not send; and uvloop would lose it
            self._report("on_last_bytes", error)
            return False

    def conclude(self, outcome: Outcome) -> None:
        """Passes an outcome on."""
        try:
            self._on_outcome(outcome)
        except Exception as error:  # noqa: BLE001  # must not keep other outcomes from being told
            self._report("on_outcome", error)
        self._slots_changed.set()

    def refuse(self, transmission: Transmission, refusal: tuple[int, str], relay_name: str) -> None:
        """REJECTED by ourselves: nothing of it was sent. `refusal` is a code and a text with its enhanced code."""
        code, text = refusal
        self.conclude(Outcome(transmission.delivery_id, OutcomeKind.REJECTED, code, text, relay_name))

    def slots_changed(self) -> None:
        """There may be more free slots than before."""
        self._slots_changed.set()

    def others_are_up(self, channel: RelayChannel) -> bool:
        """Whether another relay than this one takes anybody's transmissions."""
        return any(other is not channel and other.is_up and other.takes_anybody for other in self._channels)

    def others_may_take_smtputf8(self, transmission: Transmission) -> bool:
        """Whether a relay on its route is up that has not been seen to lack SMTPUTF8."""
        return any(
            channel.is_up and not channel.lacks_smtputf8 for tier in self._tiers(transmission) for channel in tier
        )

    @staticmethod
    def _report(callback: str, error: Exception) -> None:
        asyncio.get_running_loop().call_exception_handler({"message": f"error in {callback}", "exception": error})

    def _tiers(self, transmission: Transmission) -> list[list[RelayChannel | OutboxChannel]]:
        """The channels of its route."""
        if not transmission.route:
            return [self._channels]
        return [[self._by_name[name] for name in tier] for tier in transmission.route]

    def _channel_for(self, transmission: Transmission) -> RelayChannel | OutboxChannel:
        """The one with most free slots in the first tier that is up; if all are down, one that gives it back."""
        if len(self._channels) == 1:
            return self._channels[0]
        tiers = self._tiers(transmission)
        if transmission.smtputf8:
            able = [[channel for channel in tier if not channel.lacks_smtputf8] for tier in tiers]
            tiers = able + tiers
        for tier in tiers:
            up = [channel for channel in tier if channel.is_up]
            if up:
                return max(up, key=lambda channel: channel.free_slots())
        return tiers[-1][0]


def tls_context_of(relay: Relay) -> ssl.SSLContext | None:
    """How TLS to this relay is done: certificates and names are checked unless verify=no."""
    if relay.tls == "none":
        return None
    context = ssl.create_default_context()
    if not relay.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tick_seconds(limits: TimeLimits) -> float:
    """How often deadlines are looked at: within a quarter of the shortest, at most a second late."""
    shortest = min(
        limits.command, limits.mail, limits.rcpt, limits.data_init, limits.data_block, limits.final_dot,
        limits.quit, limits.idle,
    )  # fmt: skip
    return max(0.01, min(1.0, shortest / 4))
