"""A row of an older system that has been taken in: taken once, whatever became of it here since."""

from typing import ClassVar

from django.db import models

from wharf.ids import ID_LENGTH


class Imported(models.Model):
    """Without it a second import would bring back what people have removed here: members, grants."""

    #: `user`, `manager`, `session`, `access` or `chat`. Messages need none: they keep their ids.
    kind = models.CharField(max_length=16)
    source_id = models.CharField(max_length=ID_LENGTH)
    #: The row here that stands for it.
    target_id = models.CharField(max_length=ID_LENGTH)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("kind", "source_id"), name="imported_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.source_id}"
