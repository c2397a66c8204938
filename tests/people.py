"""People for tests: a person in a company, their actor, and an API client that carries their token."""

from dataclasses import dataclass, field

from rest_framework.test import APIClient

from accounts.callers import Caller, caller_of, operator_caller
from accounts.models import Membership, Role, User
from accounts.permissions import SYSTEM, Actor
from accounts.services.people import create_member, create_operator
from accounts.tokens import token_for
from tenants.context import run_in_public
from tenants.models import Company

PASSWORD = "harbour-lights-7"


@dataclass(frozen=True)
class Person:
    """`actor` is what services take as `by`; `token` is what clients carry."""

    user: User
    company: Company
    membership: Membership | None = None
    password: str = field(default=PASSWORD, repr=False)

    @property
    def caller(self) -> Caller:
        """As far as this object knows, without asking the database: coroutines may use it too."""
        return caller_of(self.membership) if self.membership else operator_caller(self.user, self.company)

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def token(self) -> str:
        return token_for(self.caller)


def make_person(
    company: Company, role: Role = Role.ADMIN, *, email: str = "", first_name: str = "", last_name: str = ""
) -> Person:
    """A member of `company`; without an e-mail `admin@acme.test`, then `admin2@acme.test`, ..."""
    made = run_in_public(
        create_member,
        company=company,
        email=email or _free_email(role, company),
        role=role,
        by=SYSTEM,
        first_name=first_name or role.title(),
        last_name=last_name or company.name,
        password=PASSWORD,
    )
    return Person(made.membership.user, company, made.membership)


def make_operator(company: Company, *, email: str = "operator@wharf.test") -> Person:
    """An operator, acting for `company`."""
    return Person(run_in_public(create_operator, email=email, by=SYSTEM, password=PASSWORD).user, company)


def client_for(person: Person | None = None, *, language: str = "en") -> APIClient:
    """Asks the API in English unless told otherwise; without a person it carries no token."""
    client = APIClient(headers={"accept-language": language} if language else None)
    if person is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {person.token}")
    return client


def _free_email(role: Role, company: Company) -> str:
    taken = run_in_public(Membership.objects.filter(company=company, role=role).count)
    return f"{role}{taken + 1 if taken else ''}@{company.slug}.test"
