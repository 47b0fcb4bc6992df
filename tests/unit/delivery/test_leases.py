"""A lease ends when it hasn't been renewed for its length, by the watcher's own clock and no other."""

from sendmill.delivery.leases import Lease, LeaseWatch

LEASE = Lease(chunk_id=7, owner="aaaaaaaaaaaa:1:1", fence=3, until_ms=1_000_000)
LENGTH = 30.0


class Watched:
    """A watch and its clock."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.watch = LeaseWatch(LENGTH, lambda: self.seconds)

    def look(self, *leases: Lease, after: float = 0.0) -> set[Lease]:
        self.seconds += after
        return self.watch.ended(leases)


def test_unchanged_for_its_length_it_has_ended():
    watched = Watched()
    assert [bool(watched.look(LEASE, after=10.0)) for _ in range(5)] == [False, False, False, False, True]


def test_renewed_it_holds_whatever_its_end_says():
    watched = Watched()
    ends = (1_000_000, 5_000, 9_000_000, 4_999, 1, 70)  # its owner's clock jumps about
    assert not any(watched.look(LEASE._replace(until_ms=end), after=14.0) for end in ends)


def test_with_another_owner_or_fence_it_is_another_lease():
    watched = Watched()
    others = [LEASE, LEASE._replace(fence=4), LEASE._replace(fence=4, owner="bbbbbbbbbbbb:2:2")]
    assert not any(watched.look(lease, after=14.0) for lease in others * 2)


def test_an_ended_one_is_told_at_once():
    assert Watched().look(LEASE, LEASE._replace(chunk_id=8, until_ms=0)) == {LEASE._replace(chunk_id=8, until_ms=0)}


def test_who_looked_away_counts_anew():
    watched = Watched()
    watched.look(LEASE)
    assert not watched.look(LEASE, after=3_600.0), "the database was down: nobody could renew"
    assert not watched.look(LEASE, after=14.0)
    assert not watched.look(LEASE, after=14.0)
    assert watched.look(LEASE, after=14.0)
