"""Finding the one session that an operator means: by its id alone, or by a company and the session's name."""

from fleet.models import Placement
from tenants.companies import find_company
from tenants.context import run_in
from tenants.models import Company
from whatsapp.errors import AmbiguousName, SessionNotFound
from whatsapp.models import Session


def find_meant(text: str, company: str = "") -> tuple[Company, str]:
    """The company and the id of the session. `text` is an id, or a name inside `company` (its slug or id).

    Raises CompanyNotFound, SessionNotFound, AmbiguousName.
    """
    placement = Placement.objects.select_related("company").filter(pk=text).first()
    if placement is not None and company in ("", placement.company.slug, placement.company_id):
        return placement.company, placement.pk
    if not company:
        raise SessionNotFound
    named = find_company(company)
    return named, run_in(named, _by_name, text)


def _by_name(text: str) -> str:
    ids = list(Session.objects.live().filter(name=text).values_list("pk", flat=True)[:2])
    if not ids:
        raise SessionNotFound
    if len(ids) > 1:
        raise AmbiguousName(name=text)
    return str(ids[0])
