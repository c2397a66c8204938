"""What browsers are told they may do, and which files they get."""

import pytest
from django.test import Client

from tests.people import Person

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "connect-src 'self' ws://testserver"
)


@pytest.mark.parametrize("address", ["/health/live", "/nowhere", "/api/nowhere", "/static/admin/css/base.css"])
def test_pages_may_load_our_own_files_only(db: None, client: Client, address: str) -> None:
    assert client.get(address)["Content-Security-Policy"] == STRICT


def test_over_https_the_socket_is_encrypted_too(db: None, client: Client) -> None:
    assert client.get("/nowhere", secure=True)["Content-Security-Policy"].endswith("'self' wss://testserver")


@pytest.mark.parametrize("address", ["/admin/login/", "/api-docs"])
def test_no_page_at_all_may_run_inline_scripts(db: None, client: Client, address: str) -> None:
    policy = client.get(address)["Content-Security-Policy"]

    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert "unsafe-inline" not in scripts
    assert "default-src 'none'" in policy


def test_only_the_admin_may_compile_expressions(db: None, client: Client) -> None:
    assert "unsafe-eval" in client.get("/admin/login/")["Content-Security-Policy"]
    assert "unsafe-eval" not in client.get("/api-docs")["Content-Security-Policy"]


def test_the_other_headers_are_there(db: None, client: Client) -> None:
    response = client.get("/nowhere")

    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]


def test_static_files_come_in_one_piece(db: None, client: Client) -> None:
    response = client.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css")

    assert (response.status_code, response["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    assert not response.streaming
    assert len(response.content) == int(response["Content-Length"]) > 10_000


def test_a_static_file_that_has_not_changed_is_not_sent_again(db: None, client: Client) -> None:
    first = client.get("/static/admin/css/base.css")
    again = client.get("/static/admin/css/base.css", headers={"if-modified-since": first["Last-Modified"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("address", ["/static/../config/settings.py", "/static/%2e%2e/manage.py", "/static/"])
def test_nothing_but_static_files_is_served(db: None, client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_the_description_of_the_api_opens_without_inline_scripts(db: None, client: Client) -> None:
    page = client.get("/api-docs").content.decode()

    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=") == 3


def test_the_description_of_the_api_knows_failures_and_tokens(acme_admin: Person, client: Client) -> None:
    schema = client.get("/api-docs/schema").json()

    me = schema["paths"]["/api/auth/me"]["get"]
    assert me["security"] == [{"token": []}, {"key": []}]
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert me["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/Failure")
    assert schema["paths"]["/api/auth/login"]["post"].get("security", [{}]) == [{}]
