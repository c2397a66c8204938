"""A company over REST (seed contract 1.4). Reachable also when the subscription is over."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from accounts.api import shapes
from accounts.api.registration import Said
from accounts.errors import LimitsMissing, SettingsMissing
from accounts.services import companies
from accounts.views import CompanyAPIView, CompanyRequest
from tenants.companies import MOST
from wharf.errors import sentence

SETTINGS_CHANGED = sentence("The company's settings have been updated")
LIMITS_CHANGED = sentence("The company's limits have been updated")

Input = serializers.Serializer[Any]


class CompanySettings(Input):
    timezone = serializers.CharField(max_length=64, required=False, help_text="Such as Europe/Moscow.")
    currency = serializers.CharField(max_length=3, required=False, help_text="Three capitals (ISO 4217).")
    language = serializers.CharField(max_length=8, required=False)


class CompanyLimits(Input):
    max_agents = serializers.IntegerField(min_value=0, max_value=MOST, required=False)
    max_phone_numbers = serializers.IntegerField(
        min_value=0, max_value=MOST, required=False, help_text="WhatsApp sessions at once."
    )
    max_managers = serializers.IntegerField(min_value=0, max_value=MOST, required=False)
    max_monthly_calls = serializers.IntegerField(min_value=0, max_value=MOST, required=False)


class SettingsChange(Input):
    settings = CompanySettings()


class LimitsChange(Input):
    limits = CompanyLimits()


class ChangedSettings(Said):
    settings = CompanySettings()


class ChangedLimits(Said):
    limits = CompanyLimits()


class CompanyInfoView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(operation_id="companyInfo", tags=["company"], responses=shapes.CompanyInfo)
    def get(self, request: CompanyRequest) -> Response:
        """What the company is, what it has bought, and how many work in it."""
        company = request.company
        return Response(
            {
                "company": shapes.company(company, companies.founder_of(company)),
                "stats": shapes.stats(companies.people_of(company)),
            }
        )


class CompanySettingsView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(
        operation_id="changeCompanySettings", tags=["company"], request=SettingsChange, responses=ChangedSettings
    )
    def put(self, request: CompanyRequest) -> Response:
        """Change time zone, currency or language; for admins."""
        settings = _part(request, "settings", CompanySettings, SettingsMissing)
        companies.change_settings(company=request.company, by=request.actor, settings=settings)
        return Response({"message": gettext(SETTINGS_CHANGED), "settings": shapes.settings_of(request.company)})


class CompanyUsageView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(operation_id="companyUsage", tags=["company"], responses=shapes.CompanyUsage)
    def get(self, request: CompanyRequest) -> Response:
        """How much of the plan is used."""
        company = request.company
        return Response(
            {
                "usage": shapes.usage(company, companies.people_of(company)),
                "subscription": shapes.subscription(company),
                "limits": companies.limits_of(company),
            }
        )


class CompanyLimitsView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(operation_id="changeCompanyLimits", tags=["company"], request=LimitsChange, responses=ChangedLimits)
    def put(self, request: CompanyRequest) -> Response:
        """Change what the plan allows; for the platform's operators."""
        companies.require_operator(request.actor)
        limits = _part(request, "limits", CompanyLimits, LimitsMissing)
        companies.change_limits(company=request.company, by=request.actor, limits=limits)
        return Response({"message": gettext(LIMITS_CHANGED), "limits": companies.limits_of(request.company)})


class CompanyUsersView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(operation_id="companyUsers", tags=["company"], responses=shapes.CompanyUsers)
    def get(self, request: CompanyRequest) -> Response:
        """Everybody who works in the company."""
        return Response(shapes.people(companies.members_of(request.company)))


def _part(request: CompanyRequest, name: str, shape: type[Input], missing: type[Exception]) -> Any:
    """The checked object that stands under `name` in the body."""
    part = request.data.get(name) if isinstance(request.data, Mapping) else None
    if not isinstance(part, Mapping):
        raise missing
    asked = shape(data=part)
    asked.is_valid(raise_exception=True)
    return asked.validated_data
