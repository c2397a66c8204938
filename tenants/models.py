"""The companies that share the platform, each with a schema of its own, and the host names that lead to them."""

from typing import ClassVar

from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

from wharf.ids import ID_LENGTH, new_id


class SubscriptionPlan(models.TextChoices):
    """What a company has bought (seed contract 3.1); what it allows stands in the limits beside it."""

    BASIC = "basic", _("basic")
    PRO = "pro", _("pro")
    ENTERPRISE = "enterprise", _("enterprise")


class SubscriptionStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    SUSPENDED = "suspended", _("suspended")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("expired")


class Company(TenantMixin):  # type: ignore[misc]  # django-tenants ships no types
    """A tenant. Made by `tenants.provisioning.create_company` alone, which also makes its schema."""

    # The schema comes from the template, in the provisioning transaction, never as a side effect of save().
    auto_create_schema = False
    auto_drop_schema = False

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)
    #: Its id in an older system, whose clients still say it; set by the operator, unique on the platform.
    external_id = models.CharField(max_length=64, null=True, blank=True, unique=True)  # unique or none
    language = models.CharField(max_length=8, default="ru")
    timezone = models.CharField(max_length=64, default="UTC")
    #: ISO 4217.
    currency = models.CharField(max_length=3, default="USD")
    subscription_plan = models.CharField(
        max_length=16, choices=SubscriptionPlan.choices, default=SubscriptionPlan.BASIC
    )
    subscription_status = models.CharField(
        max_length=16, choices=SubscriptionStatus.choices, default=SubscriptionStatus.ACTIVE
    )
    #: Empty: it does not end by itself.
    subscription_expires_at = models.DateTimeField(null=True, blank=True)
    #: How many sessions may be live at once (one, as in the older systems); outside it is `max_phone_numbers`.
    max_sessions = models.PositiveIntegerField(default=1)
    max_managers = models.PositiveIntegerField(default=3)
    #: Said to clients of the older systems; there are no agents and no calls here to count.
    max_agents = models.PositiveIntegerField(default=10)
    max_monthly_calls = models.PositiveIntegerField(default=1000)
    #: May have sessions on the sandbox; only the operator says so.
    sandbox_allowed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Company"]] = models.Manager()

    class Meta:
        verbose_name_plural = "companies"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_subscribed(self) -> bool:
        """False once the subscription is over, whoever or whatever ended it."""
        ends = self.subscription_expires_at
        has_ended = ends is not None and ends <= now()
        return self.subscription_status == SubscriptionStatus.ACTIVE and not has_ended


class Domain(DomainMixin):  # type: ignore[misc]  # django-tenants ships no types
    """A host name that belongs to one company."""

    def __str__(self) -> str:
        return str(self.domain)
