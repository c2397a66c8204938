"""The companies that share the platform, each with a schema of its own, and the host names that lead to them."""

from typing import ClassVar

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

from wharf.ids import ID_LENGTH, new_id


class Company(TenantMixin):  # type: ignore[misc]  # django-tenants ships no types
    """A tenant. Made by `tenants.provisioning.create_company` alone, which also makes its schema."""

    # The schema comes from the template, in the provisioning transaction, never as a side effect of save().
    auto_create_schema = False
    auto_drop_schema = False

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)
    language = models.CharField(max_length=8, default="ru")
    timezone = models.CharField(max_length=64, default="UTC")
    #: The plan: how many sessions may be live at once (one, as in the older systems).
    max_sessions = models.PositiveIntegerField(default=1)
    #: May have sessions on the sandbox; only the operator says so.
    sandbox_allowed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Company"]] = models.Manager()

    class Meta:
        verbose_name_plural = "companies"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Domain(DomainMixin):  # type: ignore[misc]  # django-tenants ships no types
    """A host name that belongs to one company."""

    def __str__(self) -> str:
        return str(self.domain)
