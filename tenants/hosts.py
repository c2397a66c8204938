"""Which company a host name belongs to."""

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http.request import split_domain_port, validate_host

from tenants.models import Company, Domain


def company_of_host(host: str) -> Company | None:
    """None for the platform's own names, without a query. Raises DisallowedHost for names that are nobody's."""
    name, _port = split_domain_port(host)
    if name in settings.PLATFORM_HOSTS:
        return None
    domain = Domain.objects.select_related("tenant").filter(domain=name).first()
    if domain is not None:
        return domain.tenant  # type: ignore[no-any-return]
    if not validate_host(name, settings.PLATFORM_HOSTS):
        raise DisallowedHost(f"Invalid host: {host!r}")
    return None
