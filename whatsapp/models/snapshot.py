"""A sealed copy of a session's device store, which another machine starts from when the worker's disk is gone."""

from django.db import models

from whatsapp.models.session import Session


class DeviceSnapshot(models.Model):
    """One a session, replaced by the next; erased with the keys when a person unlinks the device, and else never.

    The bytes are for `services.snapshots` alone: no API, page or admin shows them. Everything else stands under their
    seal too, so that a row that was changed opens nothing.
    """

    session = models.OneToOneField(Session, primary_key=True, on_delete=models.PROTECT, related_name="snapshot")
    taken_at = models.DateTimeField()
    device_jid = models.CharField(max_length=64)
    #: The disk it was taken on, and the owner's fence.
    store_id = models.CharField(max_length=32)
    fence = models.BigIntegerField()
    #: Of the store: SHA-256 in hex, and bytes.
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    #: Which key seals it, told by a digest.
    key = models.CharField(max_length=12)
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"snapshot of {self.pk}"
