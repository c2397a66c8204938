"""Who else has something to do when a person's place in a company changes or ends.

Imports run downward, so the apps above say here what is theirs; it happens in the same transaction.
"""

from collections.abc import Callable

from tenants.context import run_in
from tenants.models import Company

#: Called with the company and the person's id, inside the company, after the membership was changed or deleted.
Follow = Callable[[Company, str], None]

_followers: list[Follow] = []


def follow_memberships(follow: Follow) -> None:
    """Once a process, when the app is ready."""
    _followers.append(follow)


def membership_changed(company: Company, user_id: str) -> None:
    for follow in _followers:
        run_in(company, follow, company, user_id)
