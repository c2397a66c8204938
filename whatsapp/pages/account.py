"""One's own account: name, language, password. For everybody."""

from typing import Any

from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.pages import PageRequest
from accounts.services import passwords, people
from tenants.companies import checked_language
from wharf.errors import sentence
from whatsapp.pages.base import do, page, show, typed
from whatsapp.pages.door import remember_language
from whatsapp.pages.people import MAX_NAME


def _page(request: PageRequest, **more: Any) -> HttpResponse:
    user = request.caller.user
    context = {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "language": user.language,
        "languages": settings.LANGUAGES,
        "max_name": MAX_NAME,
        **more,
    }
    return show(request, "pages/account.html", context, status=400 if more else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def overview(request: PageRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    caller, language = request.caller, request.POST.get("language", "")
    names = {name: typed(request, name, most=MAX_NAME) for name in ("first_name", "last_name")}

    def save() -> None:
        if language:
            checked_language(language)
        changes: people.Changes = {"language": language, **names}  # type: ignore[typeddict-item]
        people.change_person(user=caller.user, by=caller.actor, **changes)
        translation.activate(language or translation.get_language())

    response = do(
        request,
        save,
        to=reverse("account"),
        done=sentence("Saved."),
        again=lambda error: _page(request, **names, error=error),
    )
    if caller.user.language == language:
        remember_language(response, language)
    return response


@sensitive_post_parameters("current", "new")
@require_POST
@page
def password(request: PageRequest) -> HttpResponse:
    """Everywhere else the person is logged out; here they stay."""
    user, asked = request.caller.user, request.POST

    def change() -> None:
        passwords.change(user=user, current=asked.get("current", ""), new=asked.get("new", ""))
        update_session_auth_hash(request, user)

    return do(
        request,
        change,
        to=reverse("account"),
        done=sentence("Your password has been changed, and all your other log-ins have ended."),
        again=lambda error: _page(request, password_error=error),
    )
