"""An outcome in words and numbers."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from faults.ledger import HostKill
from faults.suite import Outcome

#: Of each broken promise, so many examples.
EXAMPLES: Final = 8


def is_good(outcome: Outcome) -> bool:
    return outcome.verdict.is_kept and not outcome.unrest


def text_of(outcome: Outcome) -> str:
    return "\n".join([*_load(outcome), "", *_deeds(outcome), "", *_window(outcome), "", *_promises(outcome)])


def _load(outcome: Outcome) -> Iterator[str]:
    plan, seen, verdict = outcome.plan, outcome.evidence, outcome.verdict
    yield f"seed {plan.seed}, {plan.sessions} sessions of {plan.companies} companies, {outcome.seconds:.0f} s"
    acknowledged = {(one.session_id, one.wa_id) for one in seen.acknowledged}
    stored = sum(not row.from_me for row in seen.rows)
    known = sum((one.session_id, one.wa_id) in acknowledged for one in seen.spoken)
    yield f"{len(seen.spoken)} messages written to us, {known} acknowledged, {stored} stored"
    ends = ", ".join(f"{count} {status}" for status, count in sorted(verdict.sends.items()))
    unsure = sum(row.status == "unconfirmed" and row.text in seen.arrived for row in seen.rows)
    yield f"{len(seen.asked)} sends asked for: {ends}" + (f" ({unsure} of them arrived)" if unsure else "")
    if outcome.repeated:
        again = ", ".join(f"{reason} {count} times" for reason, count in sorted(outcome.repeated.items()))
        yield f"the client asked again after: {again}"
    yield f"{len(seen.log)} events logged; {len(seen.came)} requests taken, {verdict.repeats} of them repeats"


def _deeds(outcome: Outcome) -> Iterator[str]:
    missed = Counter(outcome.missed)
    for kind, count in sorted(Counter(kill.kind for kill in outcome.kills).items()):
        yield f"{kind:20} {count:4}" + (f"  ({missed[kind]} more found nobody)" if missed[kind] else "")


def _window(outcome: Outcome) -> Iterator[str]:
    quiet = [each for each in outcome.verdict.host_kills if not each.is_in_burst]
    bursts = [each for each in outcome.verdict.host_kills if each.is_in_burst]
    for name, kills in (("at up to 200 messages a second", quiet), ("in a burst", bursts)):
        yield f"hosts killed {name}: {len(kills)}; {_losses(kills)}"


def _losses(kills: list[HostKill]) -> str:
    losses = [loss for each in kills for loss in each.losses]
    told = sum(loss.is_told for loss in losses)
    each = ", ".join(_in_hand(kill) for kill in kills if kill.losses)
    return f"messages lost with them: {len(losses)}, told: {told}" + (f" (in hand: {each})" if each else "")


def _in_hand(kill: HostKill) -> str:
    waited = len(kill.losses) - len(kill.at_pace)
    return f"{len(kill.losses)} of {kill.load}" + (f", {waited} of which had waited for it" if waited else "")


def _promises(outcome: Outcome) -> Iterator[str]:
    if outcome.unrest:
        yield f"NOT AT REST: still waiting for {outcome.unrest}"
    for promise, found in outcome.verdict.broken.items():
        yield f"{'BROKEN' if found else 'kept  '}  {promise}" + (f": {len(found)}" if found else "")
        yield from (f"          {each}" for each in found[:EXAMPLES])
