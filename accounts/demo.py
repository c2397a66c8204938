"""One company to try everything with, and the file that tells its passwords to whoever owns the machine."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from accounts.models import Role, User
from accounts.permissions import SYSTEM
from accounts.services.people import create_member, create_operator, set_password
from tenants.context import run_in_public
from tenants.models import Company
from tenants.provisioning import create_company

Say = Callable[[str], None]
Content = dict[str, Any]

SLUG: Final = "demo"
#: Who is in the file, and how each is made in the company.
EMAILS: Final = {who: f"{who}@demo.wharf.local" for who in ("operator", Role.ADMIN.value, Role.MANAGER.value)}
#: Any number that no other lock uses.
_LOCK: Final = (0x57484152, 2)


def create_demo(path: Path, say: Say) -> None:
    """Make what is missing. A file that fits the database is kept; a lost one means new passwords for the three.

    Only the file's addresses are brought up to date at every run.
    """
    before = _read(path)
    after = run_in_public(_create, before) | {"url": settings.PUBLIC_URL, "sandboxUrl": settings.SANDBOX_URL}
    if after != before:
        _write(path, after)
        say(f"The demo's addresses and passwords are in {path}.")


@transaction.atomic
def _create(before: Content) -> Content:
    """What the file must say about people, after making it true. Several processes take turns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
    company = Company.objects.filter(slug=SLUG).first() or create_company(
        name="Демо", slug=SLUG, max_sessions=10, sandbox_allowed=True
    )
    known = {user.email: user for user in User.objects.filter(email__in=EMAILS.values())}
    # A file of another database fits nothing here, though it has the same names.
    fits = before.get("companyId") == company.pk
    people = {who: _person(company, who, known.get(email), before if fits else {}) for who, email in EMAILS.items()}
    return {**before, "companyId": company.pk, **people}


def _person(company: Company, who: str, user: User | None, before: Content) -> dict[str, str]:
    if user is None:
        return {"email": EMAILS[who], "password": _made(company, who)}
    password = before.get(who, {}).get("password") or set_password(user=user, password=None, by=SYSTEM)
    return {"email": user.email, "password": password}


def _made(company: Company, who: str) -> str:
    if who == "operator":
        password = create_operator(email=EMAILS[who], by=SYSTEM).password
    else:
        made = create_member(
            company=company, email=EMAILS[who], role=Role(who), by=SYSTEM, first_name="Demo", last_name=who.title()
        )
        password = made.password
    assert password is not None, "nobody has this e-mail yet, so a password was made"
    return password


def _read(path: Path) -> Content:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: Content) -> None:
    """All or nothing, and for the owner's eyes only from the first byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
