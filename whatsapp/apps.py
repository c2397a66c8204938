from django.apps import AppConfig


class WhatsappConfig(AppConfig):
    name = "whatsapp"

    def ready(self) -> None:
        # Models can be imported from here on.
        from accounts.departures import follow_memberships
        from whatsapp.services.access import follow_membership

        follow_memberships(follow_membership)
