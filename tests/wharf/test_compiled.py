"""Queries that are compiled once: they find what the ORM finds, for each company and in every thread."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, User
from tenants.context import run_in
from tenants.models import Company
from tests.people import Person
from wharf.compiled import Compiled
from whatsapp.models import Session
from whatsapp.services import sessions


@pytest.fixture
def memberships() -> Compiled[Membership]:
    return Compiled(
        lambda user, company: (
            Membership.objects.confirmed().select_related("user", "company").filter(user=user, company=company)
        )
    )


def session_of(company: Company, by: Person) -> str:
    return run_in(company, sessions.create, company=company, by=by.actor, name=f"Of {company.name}").pk


def test_it_finds_the_row_with_what_was_selected_beside_it(
    memberships: Compiled[Membership], acme_admin: Person, acme_manager: Person
) -> None:
    for person in (acme_admin, acme_manager, acme_admin):
        with CaptureQueriesContext(connection) as asked:
            found = memberships.first(user=person.user.pk, company=person.company.pk)
            assert found is not None
            assert (found.user.full_name, found.company.name) == (person.user.full_name, person.company.name)

        assert sum("SELECT" in query["sql"] for query in asked.captured_queries) == 1
        assert (found, found.user, found.company) == (person.membership, person.user, person.company)
        expected = Membership.objects.get(pk=found.pk)
        assert [getattr(found, field.attname) for field in Membership._meta.concrete_fields] == [
            getattr(expected, field.attname) for field in Membership._meta.concrete_fields
        ]


def test_it_finds_nobody_of_another_company(
    memberships: Compiled[Membership], acme_admin: Person, globex: Company
) -> None:
    assert memberships.first(user=acme_admin.user.pk, company=globex.pk) is None
    assert memberships.all(user="nobody", company="' OR true --") == []


def test_what_it_finds_can_be_changed_and_saved(memberships: Compiled[Membership], acme_admin: Person) -> None:
    found = memberships.first(user=acme_admin.user.pk, company=acme_admin.company.pk)
    assert found is not None

    found.first_name = "Ada"
    found.save()

    assert Membership.objects.get(pk=found.pk).first_name == "Ada"


def test_each_company_is_asked_for_its_own(acme_admin: Person, globex_admin: Person) -> None:
    by_id = Compiled(lambda session: Session.objects.with_placement().filter(pk=session))
    ours, theirs = session_of(acme_admin.company, acme_admin), session_of(globex_admin.company, globex_admin)

    for person, own, other in ((acme_admin, ours, theirs), (globex_admin, theirs, ours)):
        found = run_in(person.company, by_id.first, session=own)

        assert found is not None
        assert (found.pk, found.placement.company_id) == (own, person.company.pk)
        assert run_in(person.company, by_id.first, session=other) is None


@pytest.mark.django_db(transaction=True)
def test_threads_share_it(memberships: Compiled[Membership], acme_admin: Person, acme_manager: Person) -> None:
    people = [acme_admin, acme_manager] * 50

    def ask(person: Person) -> str:
        try:
            found = memberships.first(user=person.user.pk, company=person.company.pk)
            return found.user_id if found else ""
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, people)) == [person.user.pk for person in people]


@pytest.mark.django_db
def test_a_parameter_that_the_query_does_not_hold_as_it_is_is_refused() -> None:
    def in_capitals(email: str) -> QuerySet[User]:
        return User.objects.filter(email=email.upper())

    with pytest.raises(TypeError):
        Compiled(in_capitals).first(email="somebody@acme.test")


@pytest.mark.django_db
def test_rows_are_not_locked_with_it() -> None:
    with pytest.raises(TypeError):
        Compiled(lambda user: User.objects.select_for_update().filter(pk=user)).first(user="x")
