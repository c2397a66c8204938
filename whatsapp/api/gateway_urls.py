"""System B's addresses under /webhook/whatsapp/baileys/."""

from django.urls import path

from whatsapp.api import gateway, lines

urlpatterns = [
    path("status", gateway.StatusView.as_view()),
    path("status/<str:session_id>", gateway.StatusView.as_view()),
    path("qr", gateway.QrView.as_view()),
    path("qr/<str:session_id>", gateway.QrView.as_view()),
    path("sessions", gateway.SessionsView.as_view()),
    path("init/<str:session_id>", gateway.StartView.as_view()),
    path("disconnect/<str:session_id>", gateway.PauseView.as_view()),
    path("reconnect/<str:session_id>", lines.ReconnectView.as_view()),
    path("health/<str:session_id>", gateway.HealthView.as_view()),
    path("diagnostics/<str:session_id>", lines.DiagnosticsView.as_view()),
    path("metrics", lines.MetricsView.as_view()),
    path("send", gateway.SendView.as_view()),
]
