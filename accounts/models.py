"""People: one user for a person, and a membership for each company the person works in."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from tenants.models import Company
from wharf.ids import ID_LENGTH, new_id


class Role(models.TextChoices):
    ADMIN = "admin", "admin"
    MANAGER = "manager", "manager"


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalise_email(username or ""))

    def create_user(self, *, email: str, password: str | None, **fields: Any) -> "User":
        user = self.model(email=normalise_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


def normalise_email(email: str) -> str:
    """People write their address in any case; we keep one."""
    return email.strip().lower()


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail. Superusers are the platform's operators. Never deleted, only made inactive."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60, blank=True)
    #: Interface language; empty means what the browser or client asks for.
    language = models.CharField(max_length=8, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("email",)
        constraints: ClassVar = [
            # Whatever writes here, one person cannot become two by the case of a letter.
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="email_in_lower_case")
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


class Membership(models.Model):
    """What a person is in a company."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("created_at",)
        constraints: ClassVar = [models.UniqueConstraint(fields=("user", "company"), name="one_membership_a_company")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class LoginAttempts(models.Model):
    """How often one source tried to log in since `since`; forgotten when it succeeds (`accounts.throttle`)."""

    #: A digest of who tries: nobody needs to read e-mails and addresses here.
    key = models.CharField(primary_key=True, max_length=64)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=("since",), name="login_attempts_since")]

    def __str__(self) -> str:
        return f"{self.count} since {self.since:%Y-%m-%d %H:%M}"
