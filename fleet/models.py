"""Who keeps which session online: workers, and one placement a session, in the public schema.

A worker finds all its work here, however many companies there are. The connection's state lives beside the lease, so
that the one UPDATE that writes it also proves the writer still owns the session.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from fleet.reasons import Reason
from fleet.states import LINKED_UP, LIVE, State, Wanted
from tenants.models import Company
from wharf.ids import ID_LENGTH, new_id


class Network(models.TextChoices):
    """Which WhatsApp a session talks to."""

    WHATSAPP = "whatsapp", "WhatsApp"
    SANDBOX = "sandbox", "Sandbox"


class Worker(models.Model):
    """One `runsessions` process. All that it owns is its own until `lease_until`, which it keeps pushing on.

    The lease is the worker's and not each session's, so that a heartbeat is one row however many sessions there are.
    """

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    capacity = models.PositiveIntegerField()
    #: Which disk its device stores are on; workers of one machine may share one.
    store_id = models.CharField(max_length=ID_LENGTH)
    started_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)
    #: Since when it has renewed without a gap: whoever was away itself has not seen the silence of others.
    unbroken_since = models.DateTimeField(default=timezone.now)
    #: Seconds of silence after which its sessions may be brought up on another disk; its connections have ended by
    #: themselves before that. 0: they never end, and may never be.
    lost_after = models.PositiveIntegerField(default=0)
    #: When an operator last wanted its sessions in as few host processes as possible; the worker compares.
    repack_asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


class Placement(models.Model):
    """A session as the fleet sees it: what is wanted, what is, and who owns it until when.

    `fence` grows with every change of owner; whatever a worker writes carries the fence it was given. `work` grows
    with everything a person leaves for the owner (a text to send, a code to ask for): the owner compares it with the
    number it has seen, so nothing is missed and nothing has to be cleared.
    """

    session_id = models.CharField(primary_key=True, max_length=ID_LENGTH)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="placements")
    network = models.CharField(max_length=16, choices=Network.choices, default=Network.WHATSAPP)
    wanted = models.CharField(max_length=16, default=Wanted.STOPPED, choices=[(w, w) for w in Wanted])

    state = models.CharField(max_length=16, default=State.UNPAIRED, choices=[(s, s) for s in State])
    reason = models.CharField(max_length=32, default=Reason.NEVER_LINKED, blank=True)
    since = models.DateTimeField(default=timezone.now)
    next_retry_at = models.DateTimeField(null=True, blank=True)
    #: Failed attempts in a row; the back-off is made from it.
    attempts = models.PositiveIntegerField(default=0)
    #: When the engine last proved that the connection lives.
    evidence_at = models.DateTimeField(null=True, blank=True)
    #: The linked device; empty while none is.
    device_jid = models.CharField(max_length=64, blank=True)

    #: The disk that holds its device store: only a worker there can bring the linked device online.
    store_id = models.CharField(max_length=ID_LENGTH, blank=True)
    #: The device that the snapshot in the company's schema is of, and when it was taken. A snapshot of another device
    #: than the linked one is none.
    snapshot_jid = models.CharField(max_length=64, blank=True)
    snapshot_at = models.DateTimeField(null=True, blank=True)

    owner = models.ForeignKey(
        Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="placements", db_index=False
    )
    fence = models.BigIntegerField(default=0)
    work = models.BigIntegerField(default=0)

    #: Counted from the company's rows once a minute: texts that wait, and since when the oldest due one has been.
    queued = models.PositiveIntegerField(default=0)
    due_since = models.DateTimeField(null=True, blank=True)
    #: The `work` at which nothing waited and nothing was on its way; another number says that something may be. In no
    #: index: `work` changes with every text, and is written in place as long as no index has it.
    queue_settled_at = models.BigIntegerField(null=True, blank=True)

    class Meta:
        # What people call it: the placement is the fleet's side of a session.
        verbose_name = "session"
        indexes: ClassVar = [
            models.Index(fields=("owner",), name="placement_owner"),
            # What a worker may claim: whatever somebody wants something of, or that still has to be settled.
            models.Index(
                fields=("session_id",),
                condition=~Q(wanted="stopped") | Q(state__in=("connecting", "pairing", "connected", "degraded")),
                name="placement_claimable",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} ({self.state})"

    @property
    def is_linked(self) -> bool:
        return bool(self.device_jid)

    @property
    def is_silent(self) -> bool:
        """Whether nobody vouches for a live session: then what was last said of it proves nothing."""
        return self.state in LIVE and (self.owner is None or self.owner.lease_until < timezone.now())

    @property
    def shown_state(self) -> State:
        """What people are told: never `connected` on the word of a worker that went silent."""
        return State.CONNECTING if self.is_silent and self.state in LINKED_UP else State(self.state)

    @property
    def shown_reason(self) -> Reason:
        silent = self.is_silent and self.state in LINKED_UP
        return Reason.WORKER_SILENT if silent else Reason(self.reason)


class Trouble(models.Model):
    """Something that the monitor has seen more than once, until it is over: what is remembered over its restarts.

    `subject` is what it happened to (`session:<id>`, `network:<name>`, `fleet`), `cause` a stable code. One row an
    outage: everything in it happens once.
    """

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    subject = models.CharField(max_length=160)
    cause = models.CharField(max_length=32)
    #: What was told last, so that the end can be told in the same words; no numbers, no texts of messages.
    about = models.CharField(max_length=300)
    is_warning = models.BooleanField(default=False)
    #: Looks in a row that saw it, and that did not see it any more.
    seen = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField()
    #: Each is set once the thing has been done: the gentle reconnect, the alert, the advice after it, the recovery.
    nudged_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    advised_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-began_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("subject", "cause"), condition=Q(ended_at=None), name="trouble_open_once")
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.cause}"


class Dispatcher(models.Model):
    """One `runwebhooks` process. The endpoints it owns are its own until `lease_until`, which it keeps pushing on."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


class EndpointPlacement(models.Model):
    """A webhook endpoint as the fleet sees it: whose it is, and which dispatcher delivers to it.

    What it is stands in the company's schema; a dispatcher finds all its work here in one query. `fence` grows with
    every change of owner, `work` with every change that the owner has to know of.
    """

    endpoint_id = models.CharField(primary_key=True, max_length=ID_LENGTH)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="endpoint_placements")
    is_active = models.BooleanField(default=True)
    owner = models.ForeignKey(Dispatcher, null=True, blank=True, on_delete=models.SET_NULL, related_name="placements")
    fence = models.BigIntegerField(default=0)
    work = models.BigIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=("endpoint_id",), condition=Q(is_active=True), name="endpoint_claimable")
        ]

    def __str__(self) -> str:
        return self.endpoint_id


class LinkInvitation(models.Model):
    """A link by which somebody without an account may link a phone to one session, once (`fleet.invitations`).

    In the public schema, for whoever opens it says no company. Only the secret's digest is stored.
    """

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    session_id = models.CharField(max_length=ID_LENGTH)
    digest = models.CharField(max_length=64)
    made_by_id = models.CharField(max_length=ID_LENGTH, blank=True)
    made_by_name = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    #: When it was first opened with its secret.
    opened_at = models.DateTimeField(null=True)
    #: A phone was linked, by this link or otherwise.
    spent_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=("session_id", "id"), name="invitations_of_session")]

    def __str__(self) -> str:
        return f"invitation to {self.session_id}"
