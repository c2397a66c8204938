"""The API's addresses under /api/whatsapp/: the older system's paths, and ours beside them."""

from django.urls import path

from whatsapp.api import addresses, chats, lines, sessions, stats

urlpatterns = [
    path("websocket/test-config", addresses.TestConfigView.as_view()),
    path("websocket/config", addresses.ConfigView.as_view()),
    path("sessions", sessions.SessionsView.as_view()),
    path("sessions/cleanup", sessions.CleanupView.as_view()),
    path("stats", stats.StatsView.as_view()),
    path("sessions/<str:session_id>", sessions.SessionView.as_view()),
    path("sessions/<str:session_id>/start", sessions.StartView.as_view()),
    path("sessions/<str:session_id>/pause", sessions.PauseView.as_view()),
    path("sessions/<str:session_id>/unlink", sessions.UnlinkView.as_view()),
    path("sessions/<str:session_id>/archive", sessions.ArchiveView.as_view()),
    path("sessions/<str:session_id>/disconnect", sessions.DisconnectView.as_view()),
    path("sessions/<str:session_id>/qr", sessions.QrView.as_view()),
    path("sessions/<str:session_id>/pairing-code", lines.PairingView.as_view()),
    path("sessions/<str:session_id>/initialize", lines.InitialiseView.as_view()),
    path("sessions/<str:session_id>/status", lines.StatusView.as_view()),
    path("sessions/<str:session_id>/health", lines.HealthView.as_view()),
    path("sessions/<str:session_id>/diagnostics", lines.DiagnosticsView.as_view()),
    path("sessions/<str:session_id>/reconnect", lines.ReconnectView.as_view()),
    path("sessions/<str:session_id>/send", lines.SendView.as_view()),
    path("metrics", lines.MetricsView.as_view()),
    path("sessions/<str:session_id>/transitions", sessions.TransitionsView.as_view()),
    path("sessions/<str:session_id>/access", sessions.AccessView.as_view()),
    path("sessions/<str:session_id>/access/<str:manager_id>", sessions.ManagerAccessView.as_view()),
    path("sessions/<str:session_id>/managers", sessions.ManagersView.as_view()),
    path("sessions/<str:session_id>/managers/<str:manager_id>", sessions.ManagerView.as_view()),
    path("sessions/<str:session_id>/messages", chats.SendToNumberView.as_view()),
    path("sessions/<str:session_id>/messages/<str:message_id>", chats.MessageView.as_view()),
    path("sessions/<str:session_id>/messages/<str:message_id>/reaction", chats.ReactionView.as_view()),
    path("reaction", lines.ReactionView.as_view()),
    path("sessions/<str:session_id>/chats", chats.ChatsView.as_view()),
    path("sessions/<str:session_id>/chats/<str:chat_id>", chats.ChatView.as_view()),
    path("sessions/<str:session_id>/chats/<str:chat_id>/messages", chats.MessagesView.as_view()),
    path("sessions/<str:session_id>/chats/<str:chat_id>/send", chats.SendView.as_view()),
    path("sessions/<str:session_id>/chats/<str:chat_id>/read", chats.ReadView.as_view()),
    path("sessions/<str:session_id>/chats/<str:chat_id>/typing", chats.TypingView.as_view()),
    path("sessions/<str:session_id>/chats/<str:chat_id>/watching", chats.WatchingView.as_view()),
]
