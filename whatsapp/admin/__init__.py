"""What operators see of all companies, in Django's admin: one module a thing."""

from whatsapp.admin import companies, fleet, jobs, labels, sessions

labels.apply()

__all__ = ["companies", "fleet", "jobs", "sessions"]
