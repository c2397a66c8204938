"""Who works in the company, and what each manager may on each of its numbers; for its admins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Membership, Role
from accounts.pages import PageRequest
from accounts.permissions import RIGHT_PERMISSIONS, Permission, Rights
from accounts.services import companies, managers, people
from wharf.errors import sentence
from whatsapp.pages.base import do, page, show, typed
from whatsapp.pages.door import client_of
from whatsapp.services import access

MAX_NAME: Final = 60
RIGHTS: Final = tuple(RIGHT_PERMISSIONS)

form = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True)
class Somebody:
    """A member as the list and their own page show them."""

    id: str
    name: str
    email: str
    seen_at: datetime | None
    is_you: bool
    is_kept_out: bool
    #: The whole account is switched off, which only the platform's operators do.
    is_account_off: bool
    #: The company may change how they log in.
    is_kept_here: bool
    #: How many numbers they were given, in words.
    numbers: str


def somebody(row: Membership, request: PageRequest, numbers: int = 0) -> Somebody:
    """Needs the user selected."""
    return Somebody(
        id=row.user_id,
        name=" ".join(row.names).strip() or row.user.email,
        email=row.user.email,
        seen_at=row.last_seen_at,
        is_you=row.user_id == request.caller.user.pk,
        is_kept_out=not row.is_active,
        is_account_off=not row.user.is_active,
        is_kept_here=row.is_kept_here,
        numbers=_count_of_numbers(numbers),
    )


def _count_of_numbers(count: int) -> str:
    if not count:
        return gettext("none yet")
    return ngettext("%(count)s number", "%(count)s numbers", count) % {"count": count}


# -- all of them -----------------------------------------------------------------------------------------------------
@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    caller = request.caller
    people.require_over(caller.actor, caller.company, Permission.PEOPLE_MANAGE)
    rows = companies.members_of(caller.company)
    given = access.numbers_by_manager(by=caller.actor)
    shown = {
        role: [somebody(row, request, given.get(row.user_id, 0)) for row in rows if row.role == role] for role in Role
    }
    context = {
        "admins": shown[Role.ADMIN],
        "managers": shown[Role.MANAGER],
        "used": used_of(len(shown[Role.MANAGER]), caller.company.max_managers),
        "is_full": len(shown[Role.MANAGER]) >= caller.company.max_managers,
    }
    return show(request, "pages/people.html", context, parts={"managers": "pages/parts/managers.html"})


def used_of(count: int, limit: int) -> str:
    """How much of the plan is used, in words."""
    words = ngettext("%(count)s of %(limit)s manager", "%(count)s of %(limit)s managers", limit)
    return words % {"count": count, "limit": limit}


@sensitive_post_parameters("password")
@form
@page
def add(request: PageRequest) -> HttpResponse:
    """Without a password they are invited: they choose one by a code that is sent to their address."""
    caller = request.caller
    people.require_over(caller.actor, caller.company, Permission.PEOPLE_MANAGE)
    fields = _fields(request)

    def ask(error: str = "") -> HttpResponse:
        context = {**fields, "error": error, "max_name": MAX_NAME, "max_email": people.MAX_EMAIL}
        return show(
            request,
            "pages/person_new.html",
            context,
            parts={"form": "pages/parts/person_new.html"},
            status=400 if error else 200,
        )

    if request.method != "POST":
        return ask()
    password = request.POST.get("password") or None
    return do(
        request,
        lambda: managers.create(company=caller.company, by=caller.actor, password=password, **fields),  # type: ignore[arg-type]
        to=lambda made: reverse("person", args=[made.user_id]),
        done=sentence("Added. A mail tells them how to come in. Now choose which numbers they may use."),
        again=ask,
    )


def _fields(request: PageRequest) -> dict[str, str]:
    return {
        "first_name": typed(request, "first_name", most=MAX_NAME),
        "last_name": typed(request, "last_name", most=MAX_NAME),
        "email": typed(request, "email", most=people.MAX_EMAIL + 1),
    }


# -- one of them -----------------------------------------------------------------------------------------------------
@require_safe
@page
def detail(request: PageRequest, manager_id: str) -> HttpResponse:
    caller = request.caller
    row = managers.find(company=caller.company, manager_id=manager_id, by=caller.actor)
    context: dict[str, Any] = {"person": somebody(row, request)}
    if "part" not in request.GET:
        held = access.grants_to(manager_id, by=caller.actor)
        sessions = access.visible_sessions(caller.actor)
        context["numbers"] = [(session, held.get(session.pk, Rights())) for session in sessions]
    return show(request, "pages/person.html", context, parts={"summary": "pages/parts/person.html"})


@form
@page
def change(request: PageRequest, manager_id: str) -> HttpResponse:
    """Their names, and their address if the company decides on it."""
    caller = request.caller
    row = managers.find(company=caller.company, manager_id=manager_id, by=caller.actor)
    first_name, last_name = row.names
    fields = {"first_name": first_name, "last_name": last_name, "email": row.user.email}
    if request.method == "POST":
        fields = {name: value for name, value in _fields(request).items() if name in request.POST}

    def ask(error: str = "") -> HttpResponse:
        context = {**fields, "person": somebody(row, request), "error": error, "max_name": MAX_NAME}
        return show(
            request,
            "pages/person_change.html",
            {**context, "max_email": people.MAX_EMAIL},
            parts={"form": "pages/parts/person_change.html"},
            status=400 if error else 200,
        )

    if request.method != "POST":
        return ask()
    return do(
        request,
        lambda: managers.change(company=caller.company, manager_id=manager_id, by=caller.actor, **fields),  # type: ignore[arg-type]
        to=reverse("person", args=[manager_id]),
        done=sentence("Saved."),
        again=ask,
    )


@require_POST
@page
def rights(request: PageRequest, manager_id: str) -> HttpResponse:
    """All the boxes of the page at once: what is ticked is granted, what is not is not."""
    caller, here = request.caller, reverse("person", args=[manager_id]) + "#rights"
    managers.find(company=caller.company, manager_id=manager_id, by=caller.actor)
    ticked = {name: set(request.POST.getlist(name)) for name in RIGHTS}
    asked = {
        session_id: Rights(**{name: session_id in ticked[name] for name in RIGHTS})
        for session_id in request.POST.getlist("shown")
    }
    return do(
        request,
        lambda: access.set_all(company=caller.company, manager_id=manager_id, rights=asked, by=caller.actor),
        to=here,
        done=sentence("The access has been saved."),
        back=here,
    )


@require_POST
@page
def let_in(request: PageRequest, manager_id: str) -> HttpResponse:
    caller, here = request.caller, reverse("person", args=[manager_id])
    return do(
        request,
        lambda: managers.change(company=caller.company, manager_id=manager_id, by=caller.actor, is_active=True),
        to=here,
        done=sentence("They may come in again."),
        back=here,
    )


@require_POST
@page
def send_code(request: PageRequest, manager_id: str) -> HttpResponse:
    caller, here = request.caller, reverse("person", args=[manager_id])
    return do(
        request,
        lambda: managers.send_password_code(
            company=caller.company, manager_id=manager_id, by=caller.actor, client=client_of(request)
        ),
        to=here,
        done=sentence("A mail with a code is on its way to them. With it they choose a new password."),
        back=here,
    )


def _confirmed(
    deed: Callable[..., object], question: Mapping[str, str], done: str, *, leaves: bool
) -> Callable[..., HttpResponse]:
    """A deed that asks first; `leaves` tells that there is no page of the person afterwards."""

    @form
    @page
    def ask(request: PageRequest, manager_id: str) -> HttpResponse:
        caller, here = request.caller, reverse("person", args=[manager_id])
        row = managers.find(company=caller.company, manager_id=manager_id, by=caller.actor)
        if request.method == "POST":
            return do(
                request,
                lambda: deed(company=caller.company, manager_id=manager_id, by=caller.actor),
                to=reverse("people") if leaves else here,
                done=done,
                back=here,
            )
        words = {name: gettext(text) for name, text in question.items()}
        shown = somebody(row, request)
        context = {"words": words, "subject": shown.name, "detail": shown.email, "back": here, "goes": leaves}
        return show(request, "pages/confirm.html", context, parts={"form": "pages/parts/confirm.html"})

    return ask


def _keep_out(**who: Any) -> Membership:
    return managers.change(is_active=False, **who)


keep_out = _confirmed(
    _keep_out,
    {
        "title": sentence("Deactivate this manager?"),
        "text": sentence(
            "They are logged out of your company at once and cannot come in until you activate them again. "
            "Their access to numbers is kept for then. They still count for your plan."
        ),
        "yes": sentence("Deactivate"),
    },
    sentence("Deactivated. They cannot come in until you activate them again."),
    leaves=False,
)
remove = _confirmed(
    managers.remove,
    {
        "title": sentence("Remove this manager?"),
        "text": sentence(
            "They leave your company at once, and their access to its numbers ends. What they wrote stays, under their "
            "name."
        ),
        "yes": sentence("Remove"),
    },
    sentence("Removed. What they wrote stays."),
    leaves=True,
)
