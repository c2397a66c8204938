"""The office: the company's own part of Django's admin, for its admins. One module a thing, and nothing else exists."""

from whatsapp.office import deeds, endpoints, keys, numbers, people
from whatsapp.office.site import office

__all__ = ["deeds", "endpoints", "keys", "numbers", "office", "people"]
