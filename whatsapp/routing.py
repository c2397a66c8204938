"""WebSocket addresses."""

from typing import Any, cast

from django.urls import path

from whatsapp.consumers import WhatsAppConsumer

websocket_urlpatterns: list[Any] = [
    path("ws/whatsapp/", cast(Any, WhatsAppConsumer.as_asgi())),
]
