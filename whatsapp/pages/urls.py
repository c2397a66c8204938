"""The pages' addresses. A session's own page is the root of everything about it."""

from django.urls import path

from whatsapp.pages import audit, chats, door, linking, sessions, two_steps

_SESSION = "sessions/<str:session_id>"
_CHAT = f"{_SESSION}/chats/<str:chat_id>"

urlpatterns = [
    path("login", door.log_in, name="login"),
    path("login/code", door.second_step, name="second-step"),
    path("account/two-steps", two_steps.overview, name="two-steps"),
    path("logout", door.log_out, name="logout"),
    path("company", door.choose_company, name="company"),
    path("language", door.choose_language, name="language"),
    path("", sessions.overview, name="sessions"),
    path("audit", audit.overview, name="audit"),
    path("audit/export", audit.export, name="audit-export"),
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
]
