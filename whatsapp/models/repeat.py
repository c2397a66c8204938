"""What was answered to a request that may be said again."""

from typing import ClassVar

from django.db import models


class IdempotencyKey(models.Model):
    """A client's key with the answer to it, written in the transaction that made what the answer tells of.

    A company's own table, so that a key means nothing in another company.
    """

    #: Whose key it is: a person (`person:…`), or one of the company's API keys (`key:…`, a digest).
    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    #: Of method, address and body (SHA-256, hex): the same key with another request is a client's mistake.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    #: JSON, as it was sent.
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("caller", "key"), name="one_answer_a_key")]

    def __str__(self) -> str:
        return f"{self.caller} {self.status}"
