"""Webhook endpoints: their list, one endpoint's page, and what admins do with it."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.pages import PageRequest
from wharf.errors import Invalid, sentence
from whatsapp.models import WebhookEndpoint
from whatsapp.pages import once
from whatsapp.pages.base import do, page, show
from whatsapp.pages.endpoint_form import EndpointForm, as_form, in_page_words
from whatsapp.pages.endpoint_words import Health, health_of, outcome_of
from whatsapp.pages.event_words import kind_groups, labels_of, title_of
from whatsapp.services import access, backlogs, batches, webhooks
from whatsapp.services.backlogs import Backlog
from whatsapp.webhooks.trying import Trial, try_out

form = require_http_methods(["GET", "HEAD", "POST"])

#: Where the log-in session keeps what the last test said.
_TRIED: Final = "webhook_test"


# -- all of them -------------------------------------------------------------------------------------------------------
@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    by = request.caller.actor
    rows = webhooks.endpoints_of(by=by)
    counted = backlogs.backlogs_of(rows, by=by)
    context = {"endpoints": [(row, health_of(row), counted[row.pk]) for row in rows], "most": webhooks.MAX_ENDPOINTS}
    return show(request, "pages/webhooks.html", context, parts={"endpoints": "pages/parts/endpoints.html"})


# -- making and changing -----------------------------------------------------------------------------------------------
@form
@page
def create(request: PageRequest) -> HttpResponse:
    caller = request.caller
    # Who may not make one may not see the form either.
    webhooks.endpoints_of(by=caller.actor)

    def deed(asked: EndpointForm) -> WebhookEndpoint:
        row, secret = webhooks.create(company=caller.company, by=caller.actor, **asked.words())
        once.keep(request, row.pk, secret)
        return row

    return _answer_form(request, None, deed, to=lambda row: reverse("webhook-secret", args=[row.pk]))


@form
@page
def change(request: PageRequest, endpoint_id: str) -> HttpResponse:
    caller = request.caller
    row = webhooks.find(endpoint_id, by=caller.actor)

    def deed(asked: EndpointForm) -> WebhookEndpoint:
        return webhooks.change(company=caller.company, endpoint_id=endpoint_id, by=caller.actor, **asked.words())

    return _answer_form(request, row, deed, to=lambda row: reverse("webhook", args=[row.pk]), done=sentence("Saved."))


def _answer_form(
    request: PageRequest,
    row: WebhookEndpoint | None,
    deed: Callable[[EndpointForm], WebhookEndpoint],
    *,
    to: Callable[[WebhookEndpoint], str],
    done: str = "",
) -> HttpResponse:
    numbers = _numbers(request, row)
    asked = EndpointForm(request.POST if request.method == "POST" else as_form(row), numbers)

    def ask(error: str = "") -> HttpResponse:
        context = {
            "form": asked,
            "endpoint": row,
            "error": error,
            "groups": kind_groups(),
            "numbers": numbers,
            "header_names": webhooks.header_names(row) if row else [],
            "most_seconds": batches.MOST_QUIET_SECONDS,
            "most_messages": batches.MOST_MESSAGES,
        }
        return show(request, "pages/endpoint_form.html", context, status=400 if error else 200)

    def in_words() -> WebhookEndpoint:
        try:
            return deed(asked)
        except Invalid as error:
            raise in_page_words(error) from error

    return do(request, in_words, to=to, done=done, again=ask) if request.method == "POST" else ask()


def _numbers(request: PageRequest, row: WebhookEndpoint | None) -> dict[str, str]:
    """Those to choose from; one that is in the archive since stays chosen."""
    ids = [one.pk for one in access.visible_sessions(request.caller.actor)]
    return labels_of([*ids, *(row.session_ids if row else ())])


@require_POST
@page
def switch(request: PageRequest, endpoint_id: str) -> HttpResponse:
    """On or off, as the button says."""
    caller, here = request.caller, reverse("webhook", args=[endpoint_id])
    is_active = request.POST.get("is_active") == "true"
    return do(
        request,
        lambda: webhooks.change(company=caller.company, endpoint_id=endpoint_id, by=caller.actor, is_active=is_active),
        to=here,
        done=sentence("The endpoint is on, and goes on where it stopped.") if is_active else sentence("Switched off."),
        back=here,
    )


# -- what cannot be undone asks first ----------------------------------------------------------------------------------
@form
@page
def delete(request: PageRequest, endpoint_id: str) -> HttpResponse:
    caller = request.caller
    row = webhooks.find(endpoint_id, by=caller.actor)
    if request.method == "POST":
        return do(
            request,
            lambda: webhooks.delete(company=caller.company, endpoint_id=endpoint_id, by=caller.actor),
            to=reverse("webhooks"),
            done=sentence("The endpoint is deleted."),
        )
    words = {
        "title": gettext("Delete this webhook?"),
        "text": gettext("Its log of deliveries and what was given up go with it. Nobody can bring them back."),
        "yes": gettext("Delete"),
    }
    return _ask(request, row, words)


@form
@page
def rotate(request: PageRequest, endpoint_id: str) -> HttpResponse:
    caller = request.caller
    row = webhooks.find(endpoint_id, by=caller.actor)

    def deed() -> None:
        _, secret = webhooks.rotate_secret(company=caller.company, endpoint_id=endpoint_id, by=caller.actor)
        once.keep(request, endpoint_id, secret)

    if request.method == "POST":
        return do(request, deed, to=reverse("webhook-secret", args=[endpoint_id]))
    words = {
        "title": gettext("Make a new secret?"),
        "text": gettext(
            "For 24 hours every request is signed with both, so that the receiver can change over. "
            "Only the last one before this stays valid."
        ),
        "yes": gettext("Make a new secret"),
    }
    return _ask(request, row, words)


def _ask(request: PageRequest, row: WebhookEndpoint, words: dict[str, str]) -> HttpResponse:
    context = {
        "words": words,
        "subject": row.description or row.url,
        "back": reverse("webhook", args=[row.pk]),
        "goes": True,
    }
    return show(request, "pages/confirm.html", context, parts={"form": "pages/parts/confirm.html"})


@require_safe
@page
def secret(request: PageRequest, endpoint_id: str) -> HttpResponse:
    """Where making one and rotating lead to: the secret, once."""
    row = webhooks.find(endpoint_id, by=request.caller.actor)
    shown = once.take(request, endpoint_id)
    return show(request, "pages/secret.html", {"endpoint": row, "secret": shown, "until": _still(row)})


# -- one of them -------------------------------------------------------------------------------------------------------
def around(request: PageRequest, endpoint_id: str) -> dict[str, Any]:
    """What one endpoint's page says of it."""
    by = request.caller.actor
    row = webhooks.find(endpoint_id, by=by)
    labels = labels_of(row.session_ids)
    health: Health = health_of(row)
    backlog: Backlog = backlogs.backlogs_of([row], by=by)[row.pk]
    return {
        "endpoint": row,
        "health": health,
        "backlog": backlog,
        "kinds": [title_of(kind) for kind in row.kinds],
        "numbers": [labels.get(session_id, session_id) for session_id in row.session_ids],
        "header_names": webhooks.header_names(row),
        "previous_until": _still(row),
        "tried": _last_test(request, endpoint_id),
    }


def _still(row: WebhookEndpoint) -> Any:
    """Until when the secret before this one signs too; None when it does not any more."""
    until = row.previous_secret_until
    return until if until and until > timezone.now() else None


@require_POST
@page
def test(request: PageRequest, endpoint_id: str) -> HttpResponse:
    """What the receiver said stands on the page until the next test."""
    caller, here = request.caller, reverse("webhook", args=[endpoint_id])

    def deed() -> Trial:
        tried = try_out(company=caller.company, endpoint_id=endpoint_id, by=caller.actor)
        _note_test(request, endpoint_id, tried)
        return tried

    return do(request, deed, to=here, back=here)


def _note_test(request: PageRequest, endpoint_id: str, tried: Trial) -> None:
    answer = tried.answer
    request.session[_TRIED] = {
        "endpoint": endpoint_id,
        "at": timezone.now().isoformat(),
        "is_delivered": answer.is_delivered,
        "outcome": outcome_of(answer.status, answer.error),
        "duration": answer.duration,
        "response": answer.response,
    }


def _last_test(request: PageRequest, endpoint_id: str) -> dict[str, Any] | None:
    noted: dict[str, Any] | None = request.session.get(_TRIED)
    return noted if noted and noted["endpoint"] == endpoint_id else None
