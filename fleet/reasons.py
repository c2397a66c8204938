"""Why a session is in its state: stable codes for programs, a sentence each for people.

Reasons play no part in what may follow what (that is `fleet.states`); they tell people why, and what to do now.
"""

from enum import StrEnum
from typing import Final

from wharf.errors import sentence


class Reason(StrEnum):
    NONE = ""
    NEVER_LINKED = "never_linked"
    IMPORTED = "imported"
    STARTING = "starting"
    WAITING_FOR_SCAN = "waiting_for_scan"
    FINISHING_LINK = "finishing_link"
    CODES_RAN_OUT = "codes_ran_out"
    PAIRING_REFUSED = "pairing_refused"
    PAIRING_CANCELLED = "pairing_cancelled"
    PAIRING_UNFINISHED = "pairing_unfinished"
    OTHER_NUMBER = "other_number"
    LOGGED_OUT_ON_PHONE = "logged_out_on_phone"
    MAIN_DEVICE_GONE = "main_device_gone"
    UNLINKED = "unlinked"
    PAUSED = "paused"
    RESTORED = "restored"
    FROM_SNAPSHOT = "from_snapshot"
    SNAPSHOT_UNUSABLE = "snapshot_unusable"
    STREAM_REPLACED = "stream_replaced"
    TEMPORARY_BAN = "temporary_ban"
    CLIENT_OUTDATED = "client_outdated"
    CONNECTION_REFUSED = "connection_refused"
    SERVER_UNREACHABLE = "server_unreachable"
    CONNECTION_LOST = "connection_lost"
    REPACKED = "repacked"
    HOST_DIED = "host_died"
    NOT_ANSWERING = "not_answering"
    WORKER_STOPPED = "worker_stopped"
    WORKER_SILENT = "worker_silent"
    NETWORK_MISSING = "network_missing"
    DEVICE_STORE_MISSING = "device_store_missing"
    SPAWN_FAILED = "spawn_failed"


SENTENCES: Final[dict[Reason, str]] = {
    Reason.NONE: "",
    Reason.NEVER_LINKED: sentence("No phone is linked yet."),
    Reason.IMPORTED: sentence("Taken over from another system. Link the phone again to go on."),
    Reason.STARTING: sentence("Starting."),
    Reason.WAITING_FOR_SCAN: sentence("Waiting for the phone to scan the QR code or type the pairing code."),
    Reason.FINISHING_LINK: sentence("The phone has agreed; finishing the link."),
    Reason.CODES_RAN_OUT: sentence("Nobody scanned in time. Start linking again for fresh codes."),
    Reason.PAIRING_REFUSED: sentence("WhatsApp did not complete the link. Try again, or use the other way of linking."),
    Reason.PAIRING_CANCELLED: sentence("Linking was cancelled."),
    Reason.PAIRING_UNFINISHED: sentence("The phone agreed, but the link never came up. Start linking again."),
    Reason.OTHER_NUMBER: sentence("Another number was linked than the one this session belongs to."),
    Reason.LOGGED_OUT_ON_PHONE: sentence("The device was unlinked on the phone. Link it again to go on."),
    Reason.MAIN_DEVICE_GONE: sentence("The phone's own WhatsApp account is no longer there."),
    Reason.UNLINKED: sentence("Unlinked here. Chats and messages are kept."),
    Reason.PAUSED: sentence("Paused. The link is kept."),
    Reason.RESTORED: sentence("Restored from a backup. Start it to go online."),
    Reason.FROM_SNAPSHOT: sentence(
        "The disk with its keys is lost; it is being brought back on another one from a snapshot of them."
    ),
    Reason.SNAPSHOT_UNUSABLE: sentence(
        "The disk with its keys is lost, and their snapshot cannot be used; it is tried again."
    ),
    Reason.STREAM_REPLACED: sentence("Another program connected with this device's keys, so we stepped back."),
    Reason.TEMPORARY_BAN: sentence("WhatsApp has banned this number for a while."),
    Reason.CLIENT_OUTDATED: sentence("WhatsApp asks for a newer client; the platform has to be updated."),
    Reason.CONNECTION_REFUSED: sentence("WhatsApp refused the connection."),
    Reason.SERVER_UNREACHABLE: sentence("WhatsApp cannot be reached; trying again."),
    Reason.CONNECTION_LOST: sentence("The connection was lost; it is being restored."),
    Reason.REPACKED: sentence("Moving to another process of ours; back in a moment."),
    Reason.HOST_DIED: sentence("The process that held the connection ended; the session is being brought back."),
    Reason.NOT_ANSWERING: sentence("The connection does not answer; it is being restored."),
    Reason.WORKER_STOPPED: sentence("The worker was stopped; the session comes back with the next one."),
    Reason.WORKER_SILENT: sentence("The worker has not been heard of; another one takes over."),
    Reason.NETWORK_MISSING: sentence("The sandbox is not running here; trying again."),
    Reason.DEVICE_STORE_MISSING: sentence("The stored link is not on this worker. Link the phone again."),
    Reason.SPAWN_FAILED: sentence("The process for this session could not be started; trying again."),
}
