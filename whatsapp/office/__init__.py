"""The office: the company's own part of Django's admin, for its admins. One module a thing."""

from accounts.models import ApiKey, Membership
from audit.models import Entry
from whatsapp.models import Session, WebhookEndpoint
from whatsapp.office.deeds import Deeds
from whatsapp.office.endpoints import Endpoints
from whatsapp.office.keys import Keys
from whatsapp.office.numbers import Numbers
from whatsapp.office.people import People
from whatsapp.office.site import office

# All that there is, in the order of the menu. What is not named here does not exist in the office.
for model, page in (
    (Session, Numbers),
    (Membership, People),
    (ApiKey, Keys),
    (WebhookEndpoint, Endpoints),
    (Entry, Deeds),
):
    office.register(model, page)

__all__ = ["office"]
