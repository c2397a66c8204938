"""The pages' addresses. A session's own page is the root of everything about it."""

from django.urls import path

from whatsapp.pages import account, chats, company, door, keys, linking, people, sessions

_SESSION = "sessions/<str:session_id>"
_PERSON = "people/<str:manager_id>"
_CHAT = f"{_SESSION}/chats/<str:chat_id>"

urlpatterns = [
    path("login", door.log_in, name="login"),
    path("logout", door.log_out, name="logout"),
    path("password", door.new_password, name="password"),
    path("company", door.choose_company, name="company"),
    path("language", door.choose_language, name="language"),
    path("", sessions.overview, name="sessions"),
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
    path("settings", company.overview, name="settings"),
    path("account", account.overview, name="account"),
    path("account/password", account.password, name="my-password"),
    path("people", people.overview, name="people"),
    path("people/new", people.add, name="new-person"),
    path(_PERSON, people.detail, name="person"),
    path(f"{_PERSON}/change", people.change, name="change-person"),
    path(f"{_PERSON}/rights", people.rights, name="rights"),
    path(f"{_PERSON}/password", people.send_code, name="send-code"),
    path(f"{_PERSON}/deactivate", people.keep_out, name="keep-out"),
    path(f"{_PERSON}/activate", people.let_in, name="let-in"),
    path(f"{_PERSON}/remove", people.remove, name="remove-person"),
    path("keys", keys.overview, name="keys"),
    path("keys/new", keys.add, name="new-key"),
    path("keys/<str:key_id>", keys.detail, name="key"),
    path("keys/<str:key_id>/revoke", keys.revoke, name="revoke-key"),
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
