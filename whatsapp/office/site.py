"""Where the office begins and ends: who comes in, which addresses there are, and for which company.

Every request runs inside the company that its person works for now, exactly as the company's pages do
(`whatsapp.pages.base.page`), to the last byte: what Django would render after the view is rendered in there.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, cast

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.callers import Caller
from accounts.callers import caller_of as person_in
from accounts.errors import AdminsOnly
from accounts.pages import PageRequest
from accounts.permissions import Permission
from audit.verbs import ActorKind
from tenants.models import Company
from whatsapp.pages.base import memberships_of, page
from whatsapp.pages.door import log_out

#: What Django's site has for everybody and the office has too. Its own log-in, its search, its look-up of objects by
#: content type and its change of passwords are left out: pages do that, or it would go past the company.
_SHARED_VIEWS: Final = frozenset({"index", "jsi18n", "app_list"})
View = Callable[..., Any]


def caller(request: HttpRequest) -> Caller:
    """Who is in the office, and for which company."""
    return cast(PageRequest, request).caller


def is_shared(model: type[Model]) -> bool:
    """Whether its rows of all companies lie in one table."""
    return apps.get_app_config(model._meta.app_label).name not in settings.TENANT_APPS


class Office(UnfoldAdminSite):  # type: ignore[misc]  # ships no types
    settings_name = "UNFOLD_OFFICE"
    index_title = _("Office")
    #: An address that is none is not found, for whoever asks.
    final_catch_all_view = False

    # -- who comes in --------------------------------------------------------------------------------------------------
    def has_permission(self, request: HttpRequest) -> bool:
        return hasattr(request, "caller") and may_enter(caller(request))

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """A page like all others of the company; those who may not are told what pages tell them."""

        @page
        @wraps(view)
        def inner(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not may_enter(request.caller):
                raise AdminsOnly
            request.current_app = self.name
            response = view(request, *args, **kwargs)
            return response.render() if isinstance(response, SimpleTemplateResponse) else response

        return inner

    # -- what there is -------------------------------------------------------------------------------------------------
    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Refuses what could not be told apart by company."""
        models: Iterable[type[Model]] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        )
        for model in models:
            if is_shared(model) and "company" not in {field.name for field in model._meta.fields}:
                raise ImproperlyConfigured(
                    f"{model.__name__} holds all companies' rows and does not say whose they are"
                )
        super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        found = super().get_urls()
        things = [url for url in found if isinstance(url, URLResolver) or url.name in _SHARED_VIEWS]
        # Unfold's layout leads to these two whatever one does.
        return [path("logout/", log_out, name="logout"), path("search/", self._nothing, name="search"), *things]

    @property
    def _nothing(self) -> View:
        return self.admin_view(lambda request: HttpResponse())

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> HttpResponse:
        """How the code is divided is nothing to people."""
        return redirect(reverse("admin:index", current_app=self.name))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """All things in one list, in the order in which they were registered."""
        found = [model for app in self._build_app_dict(request).values() for model in app["models"]]
        order = list(self._registry)
        models = sorted(found, key=lambda one: order.index(one["model"]))
        return [{"name": "", "app_label": self.name, "app_url": "", "has_module_perms": True, "models": models}]

    # -- what stands around every page ---------------------------------------------------------------------------------
    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        """Unfold's: the company, and the others of this person with where to go on in each."""
        company = caller(request).company
        return context | {
            "office_company": company,
            "site_subheader": company.name,
            "other_companies": self._others(cast(PageRequest, request)),
        }

    def _others(self, request: PageRequest) -> list[tuple[Company, str]]:
        """With where to go on there: an id of this company means nothing in another one."""
        office = reverse("admin:index", current_app=self.name)
        rows = (row for row in memberships_of(request) if row.company_id != request.caller.company.pk)
        return [(row.company, office if may_enter(person_in(row)) else settings.LOGIN_REDIRECT_URL) for row in rows]


def may_enter(who: Caller) -> bool:
    """Whoever manages the company, as one of its people: operators have a site of their own."""
    actor = who.actor
    return actor.kind == ActorKind.PERSON and Permission.COMPANY_MANAGE in actor.permissions


office = Office(name="office")
