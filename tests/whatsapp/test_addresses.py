"""Where Socket.IO is, as the API says it (seed contract W14, W15)."""

import pytest
from pytest_django import Settings

from tenants.domains import save_domain
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person

pytestmark = pytest.mark.django_db

TEST = "/api/whatsapp/websocket/test-config"
CONFIG = "/api/whatsapp/websocket/config"


def test_the_test_configuration_needs_no_log_in_and_has_the_older_keys(api: ApiClients) -> None:
    told = api(language="").get(TEST).json()

    assert told == {
        "message": "🔧 Тестовая конфигурация WebSocket для WhatsApp",
        "server_info": {"url": "http://testserver", "port": 80, "environment": "production"},
        "correct_frontend_config": {
            "websocket_url": "http://testserver/whatsapp",
            "options": {
                "transports": ["websocket", "polling"],
                "timeout": 20000,
                "auth": {"token": "YOUR_JWT_TOKEN_HERE"},
            },
        },
        "wrong_config_example": {
            "url": "ws://localhost:3001/socket.io/",
            "note": "Этот URL НЕ работает - неправильный порт и отсутствует namespace",
        },
        "troubleshooting": {
            "common_issues": [
                "Неправильный порт (должен быть 80, не 3001)",
                "Отсутствует namespace /whatsapp",
                "Отсутствует JWT токен в auth.token",
                "Проблемы с CORS",
            ],
            "test_command": f"curl http://testserver{TEST}",
            "test_websocket": "curl 'http://testserver/socket.io/?EIO=4&transport=polling'",
        },
    }


def test_the_configuration_has_the_older_keys(api: ApiClients, acme_admin: Person) -> None:
    told = api(acme_admin, language="").get(CONFIG).json()

    assert set(told["example_frontend_code"]) == {"connection", "handlers"}
    assert 'io("http://testserver/whatsapp"' in told.pop("example_frontend_code")["connection"]
    assert told == {
        "message": "Конфигурация WebSocket для WhatsApp",
        "websocket_url": "http://testserver/socket.io/",
        "namespace": "/whatsapp",
        "full_url": "http://testserver/whatsapp",
        "options": {
            "transports": ["websocket", "polling"],
            "timeout": 20000,
            "path": "/socket.io/",
            "auth": {"token": "YOUR_JWT_TOKEN_HERE"},
        },
    }


def test_the_configuration_needs_a_log_in(api: ApiClients) -> None:
    assert api().get(CONFIG).status_code == 401


def test_the_address_is_the_one_that_was_asked(api: ApiClients, acme: Company) -> None:
    save_domain(company=acme, name="chat.acme.test")
    told = api().get(TEST, headers={"host": "chat.acme.test:3000"}).json()

    assert told["server_info"]["url"] == "http://chat.acme.test:3000"
    assert told["server_info"]["port"] == 3000


def test_behind_a_proxy_that_speaks_tls_it_is_the_public_one(api: ApiClients, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://testserver"

    assert api().get(TEST).json()["correct_frontend_config"]["websocket_url"] == "https://testserver/whatsapp"
