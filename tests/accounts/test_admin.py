"""Django's admin: for operators alone, every page opens, and whatever is saved went through the services."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Role, User
from accounts.services.login import authenticate
from tenants.context import run_in
from tenants.models import Company, Domain
from tests.people import PASSWORD, Person
from tests.tenants.test_context import current_schema


@pytest.fixture
def desk(operator: Person) -> Client:
    """The operator's browser, logged in."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(operator.user)
    return client


def messages(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def saved(client: Client, address: str, **values: Any) -> Any:
    """Follows to the page after; fails with the form's errors when it was not saved."""
    response = client.post(address, values, follow=True)
    form = response.context.get("adminform")
    assert not (form and form.form.errors), form.form.errors
    assert response.redirect_chain, "the form came back"
    return response


def inline(**values: Any) -> dict[str, Any]:
    management = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 0, "MAX_NUM_FORMS": 1000}
    return {f"memberships-{name}": value for name, value in (management | values).items()}


# -- who gets in ----------------------------------------------------------------------------------------------------


def test_an_operator_logs_in_with_email_and_password(operator: Person, client: Client) -> None:
    address = reverse("admin:login") + "?next=/admin/"
    response = client.post(address, {"username": operator.user.email.upper(), "password": PASSWORD}, follow=True)

    assert response.redirect_chain == [("/admin/", 302)]
    assert response.status_code == 200


@pytest.mark.parametrize("is_staff", [False, True])
def test_nobody_else_gets_in(acme_admin: Person, client: Client, is_staff: bool) -> None:
    User.objects.filter(pk=acme_admin.user.pk).update(is_staff=is_staff)
    client.force_login(User.objects.get(pk=acme_admin.user.pk))

    for name in ("admin:index", "admin:tenants_company_changelist", "admin:accounts_user_changelist"):
        assert client.get(reverse(name)).status_code == 302


def test_guessing_is_stopped_here_too(operator: Person, client: Client) -> None:
    guess = {"username": operator.user.email, "password": "wrong"}
    for _ in range(10):
        client.post(reverse("admin:login"), guess)

    client.post(reverse("admin:login"), guess | {"password": PASSWORD})

    assert client.get(reverse("admin:index")).status_code == 302


# -- every page opens -----------------------------------------------------------------------------------------------


def test_every_page_opens(desk: Client, acme_admin: Person) -> None:
    Domain.objects.create(domain="chat.acme.test", tenant=acme_admin.company)
    assert desk.get(reverse("admin:index")).status_code == 200

    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert desk.get(reverse(f"{name}_changelist")).status_code == 200, model
        assert desk.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200, model
        may_add = model_admin.has_add_permission(_request(desk))
        assert desk.get(reverse(f"{name}_add")).status_code == (200 if may_add else 403), model
        for row in model._default_manager.all()[:1]:
            assert desk.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200, model
            assert desk.get(reverse(f"{name}_history", args=[row.pk])).status_code == 200, model


def _request(desk: Client) -> Any:
    return desk.get(reverse("admin:index")).wsgi_request


def test_no_page_leaves_the_shared_schema(desk: Client, acme: Company) -> None:
    desk.get(reverse("admin:tenants_company_change", args=[acme.pk]))

    assert current_schema() == "public"


@pytest.mark.parametrize("model", ["tenants_company", "accounts_user"])
def test_neither_companies_nor_people_can_be_deleted(desk: Client, acme_admin: Person, model: str) -> None:
    row = acme_admin.company.pk if model == "tenants_company" else acme_admin.user.pk

    assert desk.post(reverse(f"admin:{model}_delete", args=[row]), {"post": "yes"}).status_code == 403
    everything = {"action": "delete_selected", "_selected_action": [row], "post": "yes"}
    desk.post(reverse(f"admin:{model}_changelist"), everything)
    assert Company.objects.filter(pk=acme_admin.company.pk).exists()
    assert User.objects.filter(pk=acme_admin.user.pk).exists()


# -- companies ------------------------------------------------------------------------------------------------------

PLAN = {
    "language": "ru",
    "timezone": "UTC",
    "currency": "USD",
    "sandbox_allowed": "on",
    "subscription_plan": "basic",
    "subscription_status": "active",
    "subscription_expires_at_0": "",
    "subscription_expires_at_1": "",
    "max_sessions": 3,
    "max_managers": 3,
    "max_agents": 10,
    "max_monthly_calls": 1000,
}


def test_a_company_made_here_has_its_schema(desk: Client) -> None:
    saved(desk, reverse("admin:tenants_company_add"), name="Ромашка", slug="", **PLAN)

    company = Company.objects.get(name="Ромашка")
    assert (company.slug, company.max_sessions, company.sandbox_allowed) == ("romashka", 3, True)
    assert run_in(company, current_schema) == company.schema_name
    assert LogEntry.objects.get().object_id == company.pk


@pytest.mark.parametrize(("name", "slug"), [("Acme", "acme"), ("x" * 121, ""), ("New", "with space")])
def test_what_the_service_refuses_is_said_in_the_form(desk: Client, acme: Company, name: str, slug: str) -> None:
    response = desk.post(reverse("admin:tenants_company_add"), {"name": name, "slug": slug, **PLAN})

    assert response.status_code == 200
    assert response.context["adminform"].form.errors
    assert not Company.objects.filter(name=name).exclude(pk=acme.pk).exists()


def test_a_plan_is_changed_and_the_slug_is_not(desk: Client, acme: Company) -> None:
    address = reverse("admin:tenants_company_change", args=[acme.pk])
    saved(desk, address, name="Acme", slug="other", is_active="", **(PLAN | {"max_sessions": 9}))

    after = Company.objects.get(pk=acme.pk)
    assert (after.max_sessions, after.slug, after.is_active) == (9, "acme", True)


def test_an_operator_ends_a_subscription_and_moves_the_limits(desk: Client, acme: Company) -> None:
    address = reverse("admin:tenants_company_change", args=[acme.pk])
    change = {
        "subscription_plan": "pro",
        "subscription_expires_at_0": "2026-01-31",
        "subscription_expires_at_1": "12:00",
    }
    saved(desk, address, name="Acme", slug="acme", **(PLAN | change | {"max_managers": 40}))

    after = Company.objects.get(pk=acme.pk)
    assert (after.subscription_plan, after.max_managers, after.is_subscribed) == ("pro", 40, False)
    assert after.subscription_expires_at == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"currency": "usd"}, {"subscription_status": "late"}, {"max_managers": -1}])
def test_a_plan_that_makes_no_sense_is_refused(desk: Client, acme: Company, wrong: dict[str, object]) -> None:
    address = reverse("admin:tenants_company_change", args=[acme.pk])

    response = desk.post(address, {"name": "Acme", "slug": "acme", **PLAN, **wrong})

    assert list(response.context["adminform"].form.errors) == list(wrong)


def test_a_company_is_suspended_and_resumed(desk: Client, acme: Company) -> None:
    address = reverse("admin:tenants_company_changelist")

    chosen = {"action": "suspend", "_selected_action": [acme.pk]}
    assert "Acme" in desk.post(address, chosen).content.decode()
    assert Company.objects.get(pk=acme.pk).is_active
    said = desk.post(address, chosen | {"confirmed": "yes"}, follow=True)
    assert not Company.objects.get(pk=acme.pk).is_active
    assert messages(said) == ["Suspended: Acme."]

    desk.post(address, {"action": "resume", "_selected_action": [acme.pk]})
    assert Company.objects.get(pk=acme.pk).is_active


def test_a_host_name_is_kept_as_browsers_send_it(desk: Client, acme: Company) -> None:
    saved(desk, reverse("admin:tenants_domain_add"), domain="Chat.Acme.test", tenant=acme.pk)

    domain = Domain.objects.get()
    assert (domain.domain, domain.is_primary) == ("chat.acme.test", True)


@pytest.mark.parametrize("name", ["127.0.0.1", "testserver", "no dots", "a.test:80", "a.test/path", "-.test"])
def test_an_impossible_host_name_is_refused(desk: Client, acme: Company, name: str) -> None:
    response = desk.post(reverse("admin:tenants_domain_add"), {"domain": name, "tenant": acme.pk})

    assert response.context["adminform"].form.errors["domain"]


# -- people ---------------------------------------------------------------------------------------------------------


def test_a_person_made_here_gets_in_with_the_password_shown(desk: Client, acme: Company) -> None:
    response = saved(
        desk,
        reverse("admin:accounts_user_add"),
        email="Anna@Acme.test",
        role="manager",
        company=acme.pk,
        first_name="Anna",
    )

    (shown,) = [message for message in messages(response) if "the password is" in message]
    user = authenticate(email="anna@acme.test", password=shown.split()[4], address="")
    assert (user.first_name, user.memberships.get().role) == ("Anna", "manager")
    assert user.memberships.get().created_by == User.objects.get(is_superuser=True)


def test_an_operator_is_made_without_a_company(desk: Client) -> None:
    saved(desk, reverse("admin:accounts_user_add"), email="new@wharf.test", role="operator")

    assert User.objects.get(email="new@wharf.test").is_superuser


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "a@b.test", "role": "admin"}, "company"),
        ({"email": "operator@wharf.test", "role": "operator"}, "email"),
        ({"email": "nonsense", "role": "operator"}, "email"),
    ],
)
def test_an_impossible_person_is_refused(desk: Client, values: dict[str, str], field: str) -> None:
    response = desk.post(reverse("admin:accounts_user_add"), values)

    assert field in response.context["adminform"].form.errors


def test_a_person_is_changed_but_not_made_an_operator(desk: Client, acme_admin: Person) -> None:
    address = reverse("admin:accounts_user_change", args=[acme_admin.user.pk])
    values = {"email": "other@acme.test", "is_superuser": "on", "first_name": "New", "language": "en"}
    saved(desk, address, **values, **inline())

    user = User.objects.get(pk=acme_admin.user.pk)
    assert (user.first_name, user.language, user.is_active) == ("New", "en", False)
    assert (user.email, user.is_superuser) == ("admin@acme.test", False)


def test_memberships_are_given_changed_and_taken(desk: Client, acme_admin: Person, globex: Company) -> None:
    address = reverse("admin:accounts_user_change", args=[acme_admin.user.pk])
    old = acme_admin.membership
    assert old is not None
    values = {"first_name": "Ann", "is_active": "on"}
    first = {"0-id": old.pk, "0-user": acme_admin.user.pk, "0-company": old.company_id}

    new = {"1-user": acme_admin.user.pk, "1-company": globex.pk, "1-role": "manager"}
    both = {"TOTAL_FORMS": 2, "INITIAL_FORMS": 1, **first, "0-role": "manager", **new}
    saved(desk, address, **values, **inline(**both))
    assert _roles(acme_admin) == {"acme": "manager", "globex": "manager"}

    saved(desk, address, **values, **inline(TOTAL_FORMS=1, INITIAL_FORMS=1, **first, **{"0-DELETE": "on"}))
    assert _roles(acme_admin) == {"globex": "manager"}


def _roles(person: Person) -> dict[str, str]:
    return {m.company.slug: m.role for m in Membership.objects.filter(user=person.user).select_related("company")}


def test_a_new_password_is_shown_once(desk: Client, acme_manager: Person) -> None:
    address = reverse("admin:accounts_user_changelist")
    chosen = {"action": "give_new_password", "_selected_action": [acme_manager.user.pk]}
    response = desk.post(address, chosen, follow=True)

    (shown,) = messages(response)
    assert authenticate(email=acme_manager.user.email, password=shown.split()[4], address="") == acme_manager.user
    assert Role(acme_manager.actor.role) == Role.MANAGER


@pytest.mark.parametrize(("language", "shown"), [("ru", "ru"), ("en", "en"), ("", "en")])
def test_a_persons_own_language_is_stronger_than_the_browsers(
    desk: Client, operator: Person, language: str, shown: str
) -> None:
    User.objects.filter(pk=operator.user.pk).update(language=language)

    assert f'<html lang="{shown}"' in desk.get(reverse("admin:index")).content.decode()
