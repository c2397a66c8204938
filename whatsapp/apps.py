from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WhatsappConfig(AppConfig):
    name = "whatsapp"
    verbose_name = _("Numbers and webhooks")

    def ready(self) -> None:
        # Models can be imported from here on.
        from accounts.departures import follow_memberships
        from whatsapp.services.access import follow_membership

        follow_memberships(follow_membership)
