"""The pages' addresses. A session's own page is the root of everything about it."""

from django.urls import path

from whatsapp.pages import chats, dashboard, deliveries, door, events, guests, linking, queue, sessions, webhooks

_SESSION = "sessions/<str:session_id>"
_GUEST = "link/<str:invitation_id>"
_CHAT = f"{_SESSION}/chats/<str:chat_id>"
_WEBHOOK = "webhooks/<str:endpoint_id>"

urlpatterns = [
    path("login", door.log_in, name="login"),
    path("logout", door.log_out, name="logout"),
    path("company", door.choose_company, name="company"),
    path("language", door.choose_language, name="language"),
    path("", sessions.overview, name="sessions"),
    path("overview", dashboard.overview, name="dashboard"),
    path("sessions/new", sessions.create, name="new-session"),
    path(_SESSION, sessions.detail, name="session"),
    path(f"{_SESSION}/start", sessions.start, name="start"),
    path(f"{_SESSION}/pause", sessions.pause, name="pause"),
    path(f"{_SESSION}/hold", sessions.hold, name="hold"),
    path(f"{_SESSION}/release", sessions.release, name="release"),
    path(f"{_SESSION}/unlink", sessions.unlink, name="unlink"),
    path(f"{_SESSION}/archive", sessions.archive, name="archive"),
    path(f"{_SESSION}/rename", sessions.rename, name="rename"),
    path(f"{_SESSION}/ignored", sessions.ignored, name="ignored"),
    path(f"{_SESSION}/access", sessions.grant, name="grant"),
    path(f"{_SESSION}/access/<str:manager_id>/revoke", sessions.revoke, name="revoke"),
    path(f"{_SESSION}/link", linking.link, name="link"),
    path(f"{_SESSION}/link/code", linking.code, name="code"),
    path(f"{_SESSION}/invite", guests.invite, name="invite"),
    path(f"{_SESSION}/invite/<str:invitation_id>/revoke", guests.revoke, name="invite-revoke"),
    path(_GUEST, guests.link, name="guest"),
    path(f"{_GUEST}/enter", guests.enter, name="guest-enter"),
    path(f"{_GUEST}/start", guests.start, name="guest-start"),
    path(f"{_GUEST}/code", guests.code, name="guest-code"),
    path("whatsapp-pairing.html", linking.of_company, {"way": "code"}, name="pairing-page"),
    path("whatsapp-qr.html", linking.of_company, {"way": "qr"}, name="qr-page"),
    path(f"{_SESSION}/chats", chats.overview, name="chats"),
    path(f"{_SESSION}/chats/new", chats.start, name="new-chat"),
    path(_CHAT, chats.conversation, name="chat"),
    path(f"{_CHAT}/send", chats.send, name="send"),
    path(f"{_CHAT}/read", chats.read, name="read"),
    path(f"{_CHAT}/typing", chats.types, name="typing"),
    path(f"{_CHAT}/watching", chats.watches, name="watching"),
    path(f"{_CHAT}/messages/<str:message_id>", chats.message, name="message"),
    path(f"{_CHAT}/messages/<str:message_id>/reaction", chats.reaction, name="reaction"),
    path(f"{_SESSION}/queue", queue.overview, name="queue"),
    path(f"{_SESSION}/queue/pace", queue.pace, name="pace"),
    path(f"{_SESSION}/queue/messages/<str:message_id>/cancel", queue.cancel, name="cancel"),
    path(f"{_SESSION}/queue/chats/<str:chat_id>/cancel", queue.cancel_chat, name="cancel-chat"),
    path("webhooks", webhooks.overview, name="webhooks"),
    path("webhooks/new", webhooks.create, name="new-webhook"),
    path(_WEBHOOK, deliveries.detail, name="webhook"),
    path(f"{_WEBHOOK}/change", webhooks.change, name="change-webhook"),
    path(f"{_WEBHOOK}/switch", webhooks.switch, name="switch-webhook"),
    path(f"{_WEBHOOK}/delete", webhooks.delete, name="delete-webhook"),
    path(f"{_WEBHOOK}/rotate", webhooks.rotate, name="rotate-webhook"),
    path(f"{_WEBHOOK}/secret", webhooks.secret, name="webhook-secret"),
    path(f"{_WEBHOOK}/test", webhooks.test, name="test-webhook"),
    path(f"{_WEBHOOK}/replay", deliveries.replay, name="replay-webhook"),
    path(f"{_WEBHOOK}/revive", deliveries.revive, name="revive-webhook"),
    path(f"{_WEBHOOK}/events/<str:event_id>", deliveries.event, name="webhook-event"),
    path(f"{_WEBHOOK}/deliveries/<int:delivery_id>/redeliver", deliveries.redeliver, name="redeliver"),
    path("events", events.overview, name="events"),
    path("events/<str:event_id>", events.event, name="event"),
]
