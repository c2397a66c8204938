"""How fast a session may send, and what WhatsApp's refusals have taught: one row for sessions that need any."""

from django.db import models

from whatsapp.models.session import Session


class Pacing(models.Model):
    """What people set stands above, what the worker notes below. Without a row nothing is held back.

    `services.pacing` decides by it; only the session's owner writes the lower half, with the lease held.
    """

    session = models.OneToOneField(Session, primary_key=True, on_delete=models.CASCADE, related_name="pacing")
    #: Seconds between two texts, chosen anew for each; none when the longest is 0.
    min_gap = models.FloatField(default=0.0)
    max_gap = models.FloatField(default=0.0)
    #: Texts a day of the company's time zone; of these so many to people who never wrote to us.
    daily_limit = models.PositiveIntegerField(null=True, blank=True)
    new_chat_limit = models.PositiveIntegerField(null=True, blank=True)

    #: Nothing leaves before.
    next_at = models.DateTimeField(null=True, blank=True)
    #: The day that the counts are of.
    day = models.DateField(null=True, blank=True)
    sent = models.PositiveIntegerField(default=0)
    sent_to_new = models.PositiveIntegerField(default=0)
    #: How often in a row WhatsApp refused texts to people who never wrote to us; they wait until then.
    refusals = models.PositiveIntegerField(default=0)
    new_chats_after = models.DateTimeField(null=True, blank=True)
    #: The one text that finds out whether WhatsApp takes them again.
    probe_id = models.CharField(max_length=32, blank=True)

    def __str__(self) -> str:
        return f"pacing of {self.pk}"
