"""What can go wrong with companies, each with a sentence for people."""

from wharf.errors import Kind, NotFound, WharfError, sentence


class CompanyNameWrong(WharfError):
    code, kind = "company_name_wrong", Kind.INVALID
    text = sentence("A company's name has between 1 and 120 characters")


class CompanyIdWrong(WharfError):
    code, kind = "company_id_wrong", Kind.INVALID
    text = sentence("A company's id has small Latin letters, digits, hyphens and underscores only, at most 32 of them")


class SlugWrong(WharfError):
    code, kind = "company_slug_wrong", Kind.INVALID
    text = sentence("A short name has Latin letters, digits, hyphens and underscores only, at most 80 of them")


class SlugTaken(WharfError):
    code, kind = "company_slug_taken", Kind.CONFLICT
    text = sentence("The short name %(slug)s is taken by another company")


class CompanyNotFound(NotFound):
    code = "company_not_found"
    text = sentence("There is no company %(company)s")


class CompanyInactive(WharfError):
    """Said as 401, not 403: the older systems' clients show their log-in page then."""

    code, kind = "company_inactive", Kind.UNAUTHENTICATED
    text = sentence("The company is not active")


class SubscriptionExpired(WharfError):
    """Expired, cancelled or suspended: the older systems have one sentence for it (seed contract 1.0)."""

    code, kind = "subscription_expired", Kind.FORBIDDEN
    text = sentence("The company's subscription has expired")


class DatabaseNotReady(WharfError):
    code, kind = "database_not_ready", Kind.UNAVAILABLE
    text = sentence("The database is not ready: `manage.py upgrade` has not run yet")


class UpgradeRunning(WharfError):
    code, kind = "upgrade_running", Kind.UNAVAILABLE
    text = sentence("The platform is being upgraded, try again in a minute")


class TemplateNotClonable(WharfError):
    code, kind = "template_not_clonable", Kind.BROKEN
    text = sentence("A new company's schema cannot be made from the template, which holds %(things)s")


class DomainWrong(WharfError):
    code, kind = "domain_wrong", Kind.INVALID
    text = sentence("This is not a host name that a company can have")


class DomainTaken(WharfError):
    code, kind = "domain_taken", Kind.CONFLICT
    text = sentence("The host name %(domain)s leads to another company")
