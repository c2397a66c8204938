"""What a run will do, drawn from its seed before it starts: who writes when, who is sent what, what is killed when.

The same seed draws the same plan; how the machine shares its time between the processes is not part of it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

#: Of all messages, these leave; the others come in.
SENT_SHARE: Final = 0.2
#: Of those that come in, these come in bursts: as fast as the sandbox takes them, to so many sessions at once.
BURST_SHARE: Final = 0.4
BURST_SIZE: Final = 600
BURST_SESSIONS: Final = 2
CUSTOMERS_A_SESSION: Final = 3

#: What is done, and how often beside one another. The first ones end processes with SIGKILL.
KILLS: Final[Mapping[str, int]] = {
    "host": 8,
    "worker": 3,
    "web": 3,
    "webhooks": 3,
    "jobs": 1,
    "valkey": 2,
    "postgres": 2,
    "postgres backend": 2,
}
TROUBLES: Final[Mapping[str, int]] = {
    "connections dropped": 4,
    "acks withheld": 2,
    "receiver down": 2,
    "receiver slow": 2,
    "receiver fails": 2,
}
#: Seconds between two deeds.
PAUSES: Final = (2.0, 6.0)
#: Every other host dies in the middle of a burst, so long after it has begun.
INTO_A_BURST: Final = (0.2, 1.5)


@dataclass(frozen=True)
class Written:
    """A text from a customer to a number of ours, or from there to the customer; both by their places in the cast."""

    at: float
    session: int
    customer: int
    text: str


@dataclass(frozen=True)
class Deed:
    """`choice` picks among what is there then; `seconds` is how long a trouble lasts.

    `session`: the place in the cast of one whose host is meant.
    """

    at: float
    kind: str
    choice: float
    seconds: float
    session: int | None = None


@dataclass(frozen=True)
class Burst:
    at: float
    sessions: Sequence[int]


@dataclass(frozen=True)
class Plan:
    seed: int
    sessions: int
    companies: int
    seconds: float
    incoming: Sequence[Written]
    outgoing: Sequence[Written]
    deeds: Sequence[Deed]


def draw(
    *, messages: int, sessions: int, seconds: float, seed: int, companies: int = 2, only: Collection[str] = ()
) -> Plan:
    """A long run: deeds by their weights, until the load has ended; with `only` no others than those."""
    random = Random(seed)  # noqa: S311  # a plan, not a secret
    incoming, bursts = _incoming(random, messages - int(messages * SENT_SHARE), sessions, seconds)
    outgoing = _outgoing(random, int(messages * SENT_SHARE), sessions, seconds)
    weights = {kind: weight for kind, weight in {**KILLS, **TROUBLES}.items() if not only or kind in only}
    deeds = sorted(_deeds(random, seconds, bursts, weights), key=lambda deed: deed.at)
    return Plan(seed, sessions, companies, seconds, incoming, outgoing, deeds)


def draw_short(*, messages: int, sessions: int, seed: int) -> Plan:
    """Each deed once, in any order, beside a light load."""
    random = Random(seed)  # noqa: S311
    kinds = [*KILLS, *TROUBLES]
    random.shuffle(kinds)
    deeds = [Deed(1.0 + 1.5 * place, kind, random.random(), 2.0) for place, kind in enumerate(kinds)]
    seconds = deeds[-1].at + 2.0
    count = int(messages * SENT_SHARE)
    outgoing = _outgoing(random, count, sessions, seconds)
    incoming = [*_spread(random, messages - count, sessions, seconds, "in")]
    return Plan(seed, sessions, 2, seconds, incoming, outgoing, deeds)


# -- who writes ------------------------------------------------------------------------------------------------------
def _incoming(random: Random, count: int, sessions: int, seconds: float) -> tuple[list[Written], list[Burst]]:
    """Everything that comes in, and the bursts in it."""
    number = max(1, int(count * BURST_SHARE) // BURST_SIZE)
    size = int(count * BURST_SHARE) // number
    bursts = [_burst(random, sessions, seconds) for _ in range(number)]
    found = [*_spread(random, count - number * size, sessions, seconds, "in")]
    for place, burst in enumerate(bursts):
        for each in range(size):
            customer = random.randrange(CUSTOMERS_A_SESSION)
            found.append(Written(burst.at, random.choice(burst.sessions), customer, f"burst {place} {each}"))
    return sorted(found, key=lambda one: one.at), bursts


def _burst(random: Random, sessions: int, seconds: float) -> Burst:
    at = random.uniform(0.1, 0.9) * seconds
    return Burst(at, random.sample(range(sessions), min(BURST_SESSIONS, sessions)))


def _outgoing(random: Random, count: int, sessions: int, seconds: float) -> list[Written]:
    return sorted(_spread(random, count, sessions, seconds, "out"), key=lambda one: one.at)


def _spread(random: Random, count: int, sessions: int, seconds: float, name: str) -> Iterator[Written]:
    for number in range(count):
        customer = random.randrange(CUSTOMERS_A_SESSION)
        yield Written(random.uniform(0, seconds), random.randrange(sessions), customer, f"{name} {number}")


# -- what is done ----------------------------------------------------------------------------------------------------
def _deeds(random: Random, seconds: float, bursts: Sequence[Burst], weights: Mapping[str, int]) -> Iterator[Deed]:
    at, hosts = 2.0, 0
    while at < seconds:
        [kind] = random.choices([*weights], [*weights.values()])
        deed = Deed(at, kind, random.random(), random.uniform(2.0, 8.0))
        hosts += kind == "host"
        if kind == "host" and hosts % 2 == 0:
            burst = random.choice(bursts)
            into = burst.at + random.uniform(*INTO_A_BURST)
            deed = Deed(into, kind, deed.choice, deed.seconds, random.choice(burst.sessions))
        yield deed
        at += random.uniform(*PAUSES)
