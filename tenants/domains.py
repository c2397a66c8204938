"""Host names that lead to one company."""

import re
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction

from tenants.errors import DomainTaken, DomainWrong
from tenants.models import Company, Domain

_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


def checked_domain(name: str) -> str:
    """The name as browsers send it. The platform's own can be nobody's."""
    name = name.strip().rstrip(".").lower()
    if name in settings.PLATFORM_HOSTS or not _HOST_NAME.fullmatch(name):
        raise DomainWrong
    return name


def save_domain(*, company: Company, name: str, is_primary: bool = True, domain: Domain | None = None) -> Domain:
    """A new name for `company`, or other values for the row it has. The first one is always the primary."""
    name = checked_domain(name)
    domain = domain or Domain()
    domain.tenant, domain.domain, domain.is_primary = company, name, is_primary
    try:
        with transaction.atomic():
            domain.save()
    except IntegrityError as error:
        raise DomainTaken(domain=name) from error
    return domain
