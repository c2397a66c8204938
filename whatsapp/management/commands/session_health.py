"""`manage.py session_health [--watch] [--json]`: how everything is; exit code 1 when something is wrong."""

import json
import sys
from typing import Any, Final

from django.core.management.base import CommandParser

from fleet.reasons import SENTENCES, Reason
from tenants.companies import find_company
from wharf.commands import WharfCommand, seconds
from wharf.moments import moment
from wharf.tables import table, words_for_age, words_for_size
from wharf.terminal import show_again
from whatsapp.services import health
from whatsapp.services.findings import Finding, Grade, SessionLook, Trust
from whatsapp.services.health import Health

_GRADES: Final = {Grade.FINE: "healthy", Grade.WARNING: "warnings", Grade.TROUBLE: "trouble"}


class Command(WharfCommand):
    help = "Show workers, their disk, every session, its keys and backups, and what to do about what is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--company", default="", help="The company's slug or id; all of them without it.")
        parser.add_argument("--watch", action="store_true", help="Look again and again, until Ctrl-C.")
        parser.add_argument("--every", type=seconds, default=30.0, metavar="SECONDS", help="How often to look (30).")
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        company = find_company(options["company"]) if options["company"] else None
        if options["watch"]:
            show_again(lambda: _picture(health.look(company=company), options), self.stdout, every=options["every"])
            return
        seen = health.look(company=company)
        self.stdout.write(_picture(seen, options))
        if seen.grade == Grade.TROUBLE:
            # No CommandError: the picture has said it all, and there is nothing to add on standard error.
            sys.exit(1)


def _picture(seen: Health, options: dict[str, Any]) -> str:
    return json.dumps(facts_of(seen), ensure_ascii=False) if options["json"] else "\n".join(lines_of(seen))


# -- for machines ------------------------------------------------------------------------------------------------------
def facts_of(seen: Health) -> dict[str, object]:
    return {
        "at": moment(seen.at),
        "health": _GRADES[seen.grade],
        "workers": [
            {
                "name": one.name,
                "pid": one.pid,
                "alive": one.is_alive,
                "leaseUntil": moment(one.lease_until),
                "sessions": one.sessions,
                "capacity": one.capacity,
            }
            for one in seen.workers
        ],
        "disk": {"id": seen.disk.name, "freeBytes": seen.disk.free, "bytes": seen.disk.size},
        "sessions": [_session_facts(one) for one in seen.sessions],
        "findings": [_finding_facts(finding) for finding in seen.findings],
    }


def _session_facts(one: SessionLook) -> dict[str, object]:
    placement = one.placement
    return {
        "sessionId": one.session_id,
        "company": one.company.slug,
        "name": one.name,
        "number": one.number,
        "network": placement.network,
        "wanted": placement.wanted,
        "state": placement.shown_state,
        "reason": placement.shown_reason,
        "since": moment(placement.since),
        "nextRetryAt": moment(placement.next_retry_at),
        "attempts": placement.attempts,
        "evidenceAt": moment(placement.evidence_at),
        "linked": placement.is_linked,
        "worker": placement.owner.name if placement.owner else None,
        "store": one.store,
        "storeBytes": one.store_bytes,
        "backups": one.backups,
        "lastBackupAt": moment(one.last_backup),
        "queued": one.queued,
        "lossesToday": one.losses,
        "health": _GRADES[one.grade],
        "findings": [_finding_facts(finding) for finding in one.findings],
    }


def _finding_facts(finding: Finding) -> dict[str, object]:
    return {
        "cause": finding.cause,
        "grade": _GRADES[finding.grade],
        "text": finding.said,
        "advice": finding.advised,
    }


# -- for people --------------------------------------------------------------------------------------------------------
def lines_of(seen: Health) -> list[str]:
    return [*_workers(seen), "", *_sessions(seen), "", *_findings(seen), _verdict(seen)]


def _workers(seen: Health) -> list[str]:
    heads = ["worker", "pid", "alive", "sessions"]
    rows = [
        [one.name, one.pid, "yes" if one.is_alive else "NO", f"{one.sessions}/{one.capacity}"] for one in seen.workers
    ]
    here = seen.disk.name or "no worker has run here"
    disk = f"Disk here: {words_for_size(seen.disk.free)} free of {words_for_size(seen.disk.size)} ({here})"
    return [*(table(heads, rows) if rows else ["There is no worker."]), disk]


def _sessions(seen: Health) -> list[str]:
    if not seen.sessions:
        return ["There are no sessions."]
    heads = ["company", "session", "name", "number", "wanted", "state", "for", "next try", "seen alive"]
    return table([*heads, "keys", "backups", "last", "queued"], [_row(one, seen) for one in seen.sessions])


def _row(one: SessionLook, seen: Health) -> list[object]:
    placement = one.placement
    keys = words_for_size(one.store_bytes) if one.store == Trust.GOOD else str(one.store)
    return [
        one.company.slug,
        one.session_id,
        one.name or "-",
        one.number or "-",
        placement.wanted,
        placement.shown_state,
        words_for_age(placement.since, seen.at),
        words_for_age(placement.next_retry_at, seen.at),
        words_for_age(placement.evidence_at, seen.at),
        keys,
        one.backups,
        words_for_age(one.last_backup, seen.at),
        one.queued,
    ]


def _findings(seen: Health) -> list[str]:
    lines = [f"{_mark(finding)} {finding.said}. {finding.advised}" for finding in seen.findings]
    for one in seen.sessions:
        reason = SENTENCES[Reason(one.placement.shown_reason)]
        for finding in one.findings:
            about = f"{_called(one)}: {finding.said}."
            lines.append(" ".join(filter(None, [_mark(finding), about, reason, finding.advised])))
    return [*lines, ""] if lines else []


def _mark(finding: Finding) -> str:
    return "!!" if finding.grade == Grade.TROUBLE else "! "


def _called(one: SessionLook) -> str:
    return f"{one.company.slug}/{one.name or one.session_id}"


def _verdict(seen: Health) -> str:
    wanted = [one for one in seen.sessions if one.is_wanted_online]
    online = sum(one.is_online for one in wanted)
    return f"{online} of {len(wanted)} linked numbers that are wanted are online: {_GRADES[seen.grade]}."
