"""Where Socket.IO is, for programs and for people who look for a mistake (seed contract W14, W15).

The address is the one that was asked, so it is right behind any proxy and on a company's own host name.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.views import CompanyAPIView, CompanyRequest
from wharf.errors import sentence

NAMESPACE: Final = "/whatsapp"
PATH: Final = "/socket.io/"
TRANSPORTS: Final = ("websocket", "polling")
TIMEOUT: Final = 20_000
TEST: Final = sentence("🔧 Test configuration of the WebSocket for WhatsApp")
CONFIGURATION: Final = sentence("Configuration of the WebSocket for WhatsApp")
WRONG: Final = sentence("This URL does NOT work: wrong port and no namespace")
WRONG_PORT: Final = sentence("Wrong port (it must be %(port)s, not 3001)")
ISSUES: Final = (
    sentence("The namespace /whatsapp is missing"),
    sentence("The JWT token is missing in auth.token"),
    sentence("Problems with CORS"),
)
CONNECTION: Final = """import {{ io }} from "socket.io-client";
const socket = io("{url}/whatsapp", {{
  transports: ["websocket", "polling"],
  timeout: 20000,
  auth: {{ token }},
}});"""
HANDLERS: Final = """socket.on("connect", () => console.log("connected", socket.id));
socket.on("connection-confirmed", (data) => console.log("confirmed", data));
socket.on("connect_error", (error) => console.error(error.message));
socket.on("disconnect", (reason) => console.log("disconnected", reason));
socket.emit("whatsapp:join_session", { sessionId }, (answer) => console.log(answer));"""


def public_url(request: HttpRequest) -> str:
    """Scheme and host as the caller reaches us. On the platform's own name the setting knows the scheme better."""
    asked = request.build_absolute_uri("/").rstrip("/")
    is_ours = urlsplit(asked).hostname == urlsplit(settings.PUBLIC_URL).hostname
    return settings.PUBLIC_URL if is_ours and settings.PUBLIC_URL.startswith("https:") else asked


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


class SocketConfig(serializers.Serializer[Any]):
    message = serializers.CharField()
    websocket_url = serializers.CharField()
    namespace = serializers.CharField()
    full_url = serializers.CharField()
    options = serializers.DictField()
    example_frontend_code = serializers.DictField()


class SocketTestConfig(serializers.Serializer[Any]):
    message = serializers.CharField()
    server_info = serializers.DictField()
    correct_frontend_config = serializers.DictField()
    wrong_config_example = serializers.DictField()
    troubleshooting = serializers.DictField()


class TestConfigView(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="socketTestConfig", tags=["live"], auth=[], responses=SocketTestConfig)
    def get(self, request: Request) -> Response:
        """How to connect to Socket.IO, without a log-in."""
        url = public_url(request)
        port = _port(url)
        options = {"transports": TRANSPORTS, "timeout": TIMEOUT, "auth": {"token": "YOUR_JWT_TOKEN_HERE"}}
        test_config = f"{url}{request.path}"
        return Response(
            {
                "message": gettext(TEST),
                "server_info": {
                    "url": url,
                    "port": port,
                    "environment": "development" if settings.DEBUG else "production",
                },
                "correct_frontend_config": {"websocket_url": f"{url}{NAMESPACE}", "options": options},
                "wrong_config_example": {"url": "ws://localhost:3001/socket.io/", "note": gettext(WRONG)},
                "troubleshooting": {
                    "common_issues": [gettext(WRONG_PORT) % {"port": port}, *map(gettext, ISSUES)],
                    "test_command": f"curl {test_config}",
                    "test_websocket": f"curl '{url}{PATH}?EIO=4&transport=polling'",
                },
            }
        )


class ConfigView(CompanyAPIView):
    @extend_schema(operation_id="socketConfig", tags=["live"], responses=SocketConfig)
    def get(self, request: CompanyRequest) -> Response:
        """How to connect to Socket.IO."""
        url = public_url(request)
        options = {"transports": TRANSPORTS, "timeout": TIMEOUT, "path": PATH, "auth": {"token": "YOUR_JWT_TOKEN_HERE"}}
        return Response(
            {
                "message": gettext(CONFIGURATION),
                "websocket_url": f"{url}{PATH}",
                "namespace": NAMESPACE,
                "full_url": f"{url}{NAMESPACE}",
                "options": options,
                "example_frontend_code": {"connection": CONNECTION.format(url=url), "handlers": HANDLERS},
            }
        )
