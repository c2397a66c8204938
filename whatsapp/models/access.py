"""What a manager may do with one session."""

from typing import ClassVar

from django.db import models

from accounts.permissions import Rights
from wharf.ids import ID_LENGTH, new_id
from whatsapp.models.public import to_public
from whatsapp.models.session import Session


class ManagerAccess(models.Model):
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="grants", db_index=False)
    user = to_public("accounts.User")
    can_read = models.BooleanField(default=True)
    can_write = models.BooleanField(default=True)
    can_manage_chats = models.BooleanField(default=False)
    granted_by = to_public("accounts.User", null=True, blank=True)
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("session", "user"), name="one_grant_a_manager")]
        indexes: ClassVar = [models.Index(fields=("user",), name="grants_of_a_manager")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.session_id}"

    @property
    def rights(self) -> Rights:
        return Rights(self.can_read, self.can_write, self.can_manage_chats)
