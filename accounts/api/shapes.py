"""How companies and their people look outside (seed contract 1.4, 1.5), and the same for the API's description."""

from typing import Any

from rest_framework import serializers

from accounts.models import Membership, Role, User
from accounts.services import companies
from tenants.models import Company, SubscriptionPlan, SubscriptionStatus
from wharf.moments import moment

Shape = dict[str, Any]


def settings_of(company: Company) -> Shape:
    return {"timezone": company.timezone, "currency": company.currency, "language": company.language}


def subscription(company: Company) -> Shape:
    return {
        "plan": company.subscription_plan,
        "status": company.subscription_status,
        "expiresAt": moment(company.subscription_expires_at),
    }


def company(row: Company, founder: User | None) -> Shape:
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "settings": settings_of(row),
        "subscription": subscription(row),
        "limits": companies.limits_of(row),
        "isActive": row.is_active,
        "createdBy": founder
        and {"firstName": founder.first_name, "lastName": founder.last_name, "email": founder.email},
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def stats(people: companies.People) -> Shape:
    """There are no agents here; the key is for clients that read it."""
    return {"total_agents": 0, "total_managers": people.managers, "total_users": people.admins}


def usage(row: Company, people: companies.People) -> Shape:
    return {
        "agents": {"current": 0, "limit": row.max_agents},
        "managers": {"current": people.managers, "limit": row.max_managers},
        "users": {"current": people.admins, "limit": None},
    }


def person(row: Membership) -> Shape:
    """`id` is the person's: what grants and messages name. Needs the user selected."""
    first_name, last_name = row.names
    return {
        "id": row.user_id,
        "firstName": first_name,
        "lastName": last_name,
        "email": row.user.email,
        "role": row.role,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def people(rows: list[Membership]) -> Shape:
    return {
        "users": [person(row) | {"isVerified": True} for row in rows if row.role == Role.ADMIN],
        "managers": [person(row) for row in rows if row.role == Role.MANAGER],
        "total": len(rows),
    }


def manager(row: Membership) -> Shape:
    """Needs user and company selected."""
    return person(row) | {"companyName": row.company.name}


def new_manager(row: Membership) -> Shape:
    shape = manager(row)
    del shape["updatedAt"]
    return shape


def manager_in_full(row: Membership) -> Shape:
    return manager(row) | {
        "adminId": row.created_by_id,
        "companyId": row.company_id,
        "isActive": row.is_active,
    }


# -- for the description ---------------------------------------------------------------------------------------------
Output = serializers.Serializer[Any]


class Settings(Output):
    timezone = serializers.CharField()
    currency = serializers.CharField()
    language = serializers.CharField()


class Subscription(Output):
    plan = serializers.ChoiceField(SubscriptionPlan.choices)
    status = serializers.ChoiceField(SubscriptionStatus.choices)
    expiresAt = serializers.DateTimeField(allow_null=True)


class Limits(Output):
    max_agents = serializers.IntegerField()
    max_phone_numbers = serializers.IntegerField()
    max_managers = serializers.IntegerField()
    max_monthly_calls = serializers.IntegerField()


class Founder(Output):
    firstName = serializers.CharField()
    lastName = serializers.CharField()
    email = serializers.CharField()


class CompanyShape(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    slug = serializers.CharField()
    settings = Settings()
    subscription = Subscription()
    limits = Limits()
    isActive = serializers.BooleanField()
    createdBy = Founder(allow_null=True)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class Stats(Output):
    total_agents = serializers.IntegerField()
    total_managers = serializers.IntegerField()
    total_users = serializers.IntegerField()


class CompanyInfo(Output):
    company = CompanyShape()
    stats = Stats()


class Used(Output):
    current = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True)


class Usage(Output):
    agents = Used()
    managers = Used()
    users = Used()


class CompanyUsage(Output):
    usage = Usage()
    subscription = Subscription()
    limits = Limits()


class Colleague(Output):
    id = serializers.CharField()
    firstName = serializers.CharField()
    lastName = serializers.CharField()
    email = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class AdminShape(Colleague):
    isVerified = serializers.BooleanField()


class CompanyUsers(Output):
    users = AdminShape(many=True)
    managers = Colleague(many=True)
    total = serializers.IntegerField()


class ManagerShape(Colleague):
    companyName = serializers.CharField()


class NewManagerShape(Output):
    id = serializers.CharField()
    firstName = serializers.CharField()
    lastName = serializers.CharField()
    email = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    createdAt = serializers.DateTimeField()
    companyName = serializers.CharField()


class ManagerInFull(ManagerShape):
    adminId = serializers.CharField(allow_null=True, help_text="Who made them.")
    companyId = serializers.CharField()
    isActive = serializers.BooleanField(help_text="Whether the company lets them in.")
