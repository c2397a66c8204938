"""People: one user for a person, and a membership for each company the person works in."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.models import Company
from wharf.ids import ID_LENGTH, new_id


class Role(models.TextChoices):
    ADMIN = "admin", _("admin")
    MANAGER = "manager", _("manager")


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
    #: The company whose admin made the account and its password. Empty once the person has proven by a code that the
    #: address is theirs (or when an operator made it): from then on nobody else decides on it.
    keeper = models.ForeignKey(Company, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
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


class MembershipQuerySet(models.QuerySet["Membership"]):
    def confirmed(self) -> "MembershipQuerySet":
        """Those that open their company now; see `Membership.is_confirmed` and `is_active`."""
        return self.filter(models.Q(user__keeper=None) | models.Q(user__keeper=models.F("company")), is_active=True)


class Membership(models.Model):
    """What a person is in a company."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    #: False: the company keeps the person out for now; what they were granted waits for them.
    is_active = models.BooleanField(default=True)
    #: When they were last in this company's pages, or logged in to it: within some minutes.
    last_seen_at = models.DateTimeField(null=True)
    #: What the company calls somebody whose account is not the company's own; empty: what the account says.
    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60, blank=True)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ("created_at",)
        constraints: ClassVar = [models.UniqueConstraint(fields=("user", "company"), name="one_membership_a_company")]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"

    @property
    def is_confirmed(self) -> bool:
        """False while another company holds the account's password: it must not open this one with it."""
        return self.user.keeper_id in (None, self.company_id)

    @property
    def is_kept_here(self) -> bool:
        """Whether the company may decide on the account: it has made it, and the person has not taken it over."""
        return self.user.keeper_id == self.company_id

    @property
    def names(self) -> tuple[str, str]:
        """First and last name, as the company knows them."""
        if self.first_name or self.last_name:
            return self.first_name, self.last_name
        return self.user.first_name, self.user.last_name


class Registration(models.Model):
    """A company and its first admin that somebody wants. Nothing else is made until the address is proven."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    email = models.EmailField(db_index=True)
    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60, blank=True)
    company_name = models.CharField(max_length=120)
    #: A hash, as in User.
    password = models.CharField(max_length=128)
    #: A digest of who asked; a code that is asked for from there is for this registration.
    client = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.company_name}, asked for {self.created_at:%Y-%m-%d %H:%M}"


class Purpose(models.TextChoices):
    """What a code is for; the older systems' words (seed contract 1.3, `mode`)."""

    REGISTER = "register", "register"
    RESET = "reset", "reset"


class EmailCode(models.Model):
    """A code that was asked for. The six digits stand nowhere: id and key make them (`accounts.services.codes`)."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    email = models.EmailField()
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    registration = models.ForeignKey(Registration, null=True, on_delete=models.CASCADE, related_name="codes")
    #: What the mail is written in.
    language = models.CharField(max_length=8)
    guesses = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    proven_at = models.DateTimeField(null=True)
    #: A digest of who proved it.
    proven_by = models.CharField(max_length=64, blank=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=("email", "purpose"), name="email_codes_of_an_address")]

    def __str__(self) -> str:
        return f"{self.purpose}, asked for {self.created_at:%Y-%m-%d %H:%M}"


class SecondFactor(models.Model):
    """What a person proves beside the password (`accounts.services.second_factor`); counts once it is confirmed."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor")
    sealed_secret = models.BinaryField()
    confirmed_at = models.DateTimeField(null=True)
    #: The step (30 seconds each, since 1970) whose code was used last.
    last_step = models.BigIntegerField(default=0)
    #: Keyed digests of the recovery codes that are left.
    recovery = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.user_id}, {'on' if self.confirmed_at else 'offered'}"


class ApiKey(models.Model):
    """A program's credential for a company: acts as whoever made it (`accounts.services.api_keys`)."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="api_keys")
    #: What people tell it by; the rest stands nowhere.
    start = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    #: Names of `accounts.permissions.Scope`.
    scopes = ArrayField(models.CharField(max_length=16), default=list)
    #: Empty: it does not end by itself.
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"


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
