"""What operators see of all companies, in Django's admin: one module a thing."""

from whatsapp.admin import companies, fleet, sessions

__all__ = ["companies", "fleet", "sessions"]
