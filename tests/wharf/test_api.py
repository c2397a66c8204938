"""Whatever goes wrong, the API answers in one shape and gives nothing away."""

import logging
import warnings
from typing import Any, cast

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DataError, OperationalError
from django.http import Http404
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.exceptions import Throttled, ValidationError

from accounts.views import CompanyAPIView, CompanyRequest
from tests.conftest import ApiClients
from tests.people import Person
from tests.tenants.test_context import current_schema
from wharf.api import ok
from wharf.errors import Kind, WharfError

JSON = "application/json"
LOGIN = "/api/auth/login"


class Stormy(WharfError):
    code, kind, text = "stormy", Kind.CONFLICT, "The sea is rough: %(wind)s"


class ProbeView(CompanyAPIView):
    """Does what the test says."""

    act: Any = None

    def get(self, request: CompanyRequest, **kwargs: str) -> Any:
        return type(self).act(request)


urlpatterns = [path("api/probe", ProbeView.as_view()), path("api/probe/<str:name>", ProbeView.as_view())]


@pytest.fixture
def probe(api: ApiClients, acme_admin: Person, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask an endpoint whose handler is the given function."""
    settings.ROOT_URLCONF = __name__

    def ask(act: Any, address: str = "/api/probe", **more: Any) -> Any:
        monkeypatch.setattr(ProbeView, "act", staticmethod(act))
        return api(acme_admin).get(address, **more)

    return ask


def fail(error: Exception) -> Any:
    def act(request: CompanyRequest) -> None:
        raise error

    return act


# -- nothing there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("address", ["/api/", "/api/no", "/api/auth/login/", "/api/auth/%00", "/api/" + "x" * 2000])
def test_an_unknown_address_is_a_404_in_json(db: None, client: Client, method: str, address: str) -> None:
    response = getattr(client, method)(address)

    assert (response.status_code, response["Content-Type"]) == (404, JSON)
    assert response.json() == {"success": False, "code": "not_found", "message": "Не найдено"}


@pytest.mark.parametrize("accepted", ["application/json", "application/json, text/plain, */*"])
def test_a_program_that_missed_the_api_is_answered_in_json(db: None, client: Client, accepted: str) -> None:
    response = client.post("/whatsapp/sessions", headers={"accept": accepted})

    assert (response.status_code, response["Content-Type"]) == (404, JSON)
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("accepted", ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "*/*", ""])
def test_a_browser_that_missed_is_shown_a_page(db: None, client: Client, accepted: str) -> None:
    response = client.get("/nothing", headers={"accept": accepted} if accepted else {})

    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_older_webhooks_addresses_fail_in_json_too(db: None, client: Client) -> None:
    logging.getLogger("django.security.DisallowedHost").disabled = True
    response = client.get("/webhook/whatsapp/baileys/status", headers={"host": "elsewhere.test"})

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_wrong_method_is_a_405_that_names_the_right_ones(db: None, client: Client, method: str) -> None:
    response = getattr(client, method)(LOGIN)

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in response["Allow"]


# -- nothing understood ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["{", "", "nonsense", '{"email": NaN}', "[" * 100_000, b"\xff\xfe", '"\\ud800', '{"a": ' + "9" * 5000 + "}"],
)
def test_what_is_no_json_is_a_400(db: None, client: Client, content: Any) -> None:
    response = client.post(LOGIN, content, content_type=JSON)

    assert response.status_code == 400
    assert response.json()["code"] in {"malformed", "invalid"}


@pytest.mark.parametrize("content", ["[]", '"text"', "7", "null", "true"])
def test_json_that_is_no_object_is_a_400(db: None, client: Client, content: str) -> None:
    response = client.post(LOGIN, content, content_type=JSON)

    assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("value", [None, 7.5, [], {}, "a\x00b", "\ud800", "x" * 300])
def test_a_field_of_another_sort_is_named(db: None, client: Client, value: Any) -> None:
    response = client.post(LOGIN, {"email": value, "password": "x"}, content_type=JSON)

    assert (response.status_code, response.json()["code"]) in {(400, "invalid"), (401, "wrong_credentials")}
    if response.status_code == 400:
        assert list(response.json()["fields"]) == ["email"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_other_media_types_are_a_415(db: None, client: Client, content_type: str) -> None:
    response = client.post(LOGIN, "email=a", content_type=content_type)

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_that_is_too_large_is_a_413(db: None, client: Client) -> None:
    response = client.post(LOGIN, '"' + "a" * 1024 * 1024 + '"', content_type=JSON)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_only_json_can_be_had(db: None, client: Client) -> None:
    response = client.post(LOGIN, "{}", content_type=JSON, headers={"accept": "text/html"})

    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


def test_an_unknown_host_is_a_400(db: None, client: Client) -> None:
    logging.getLogger("django.security.DisallowedHost").disabled = True
    response = client.get("/api/nothing", headers={"host": "elsewhere.test"})

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


# -- what a handler does --------------------------------------------------------------------------------------------


def test_a_handler_runs_inside_the_callers_company_and_leaves_it(probe: Any, acme_admin: Person) -> None:
    response = probe(lambda request: {"schema": current_schema(), "company": request.company.slug})

    assert response.json() == {
        "success": True,
        "data": {"schema": acme_admin.company.schema_name, "company": "acme"},
    }
    assert current_schema() == "public"


def test_a_handler_that_fails_leaves_the_company_too(probe: Any) -> None:
    probe(fail(Stormy(wind="north")))

    assert current_schema() == "public"


def test_a_handler_may_say_more_than_data(probe: Any) -> None:
    response = probe(lambda request: ok({"n": 1}, message="Done", status=202))

    assert (response.status_code, response.json()) == (202, {"success": True, "data": {"n": 1}, "message": "Done"})


@pytest.mark.parametrize(("data", "envelope"), [(None, {"success": True}), ([], {"success": True, "data": []})])
def test_nothing_is_left_out_but_empty_is_not(probe: Any, data: Any, envelope: Any) -> None:
    assert probe(lambda request: data).json() == envelope


def test_half_a_character_that_a_problem_repeats_is_no_failure_of_ours(probe: Any) -> None:
    response = probe(fail(ValidationError({"\ud800": ['"\ud800" is not a valid choice.']})))

    assert (response.status_code, response.json()["fields"]) == (400, {"?": ['"?" is not a valid choice.']})


@pytest.mark.parametrize(
    ("error", "http_status", "code"),
    [
        (Stormy(wind="north"), 409, "stormy"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (Throttled(wait=7), 429, "too_many_requests"),
        (DataError("value \x00"), 400, "bad_request"),
        (OperationalError("connection to 10.0.0.7 failed"), 503, "unavailable"),
        (ZeroDivisionError("secret detail"), 500, "internal_error"),
    ],
)
def test_every_exception_becomes_the_one_shape(probe: Any, error: Exception, http_status: int, code: str) -> None:
    response = probe(fail(error))

    assert (response.status_code, response.json()["code"]) == (http_status, code)
    assert set(response.json()) == {"success", "code", "message"}
    assert response.json()["success"] is False


def test_an_unexpected_error_is_logged_and_not_told(probe: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = probe(fail(ZeroDivisionError("secret detail")), headers={"accept-language": "ru"})

    assert response.json()["message"] == "Что-то пошло не так!"
    assert "secret detail" not in response.content.decode()
    assert "secret detail" in caplog.text


def test_a_wait_is_said_in_a_header(probe: Any) -> None:
    assert probe(fail(Throttled(wait=7)))["Retry-After"] == "7"


def test_a_name_that_no_row_can_have_is_a_404(probe: Any) -> None:
    assert probe(lambda request: "reached", "/api/probe/a%00b").status_code == 404
    assert probe(lambda request: "reached", "/api/probe?page=%00").status_code == 404


def test_without_a_token_no_handler_runs(probe: Any, api: ApiClients) -> None:
    assert probe(lambda request: "reached").status_code == 200
    assert api().get("/api/probe").status_code == 401


# -- languages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("", "Не найдено"),
        ("*", "Не найдено"),
        ("ru", "Не найдено"),
        ("en", "Not found"),
        ("en-GB,en;q=0.9,ru;q=0.8", "Not found"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "Не найдено"),
        ("nonsense;q=x", "Не найдено"),
    ],
)
def test_the_client_chooses_the_language(db: None, client: Client, asked: str, message: str) -> None:
    response = client.get("/api/nothing", headers={"accept-language": asked} if asked else {})

    assert response.json()["message"] == message


@pytest.mark.parametrize(("language", "message"), [("ru", "Не найдено"), ("en", "Not found"), ("", "Not found")])
def test_a_persons_own_choice_is_stronger(probe: Any, acme_admin: Person, language: str, message: str) -> None:
    acme_admin.user.language = language
    acme_admin.user.save()

    response = probe(fail(Http404()), headers={"accept-language": "en"})

    assert response.json()["message"] == message


def test_one_persons_language_is_not_the_next_ones(probe: Any, acme_admin: Person, client: Client) -> None:
    acme_admin.user.language = "en"
    acme_admin.user.save()
    probe(fail(Http404()))

    assert client.get("/api/probe").json()["message"] == "Не авторизован"


# -- other sites ----------------------------------------------------------------------------------------------------


def test_a_page_of_another_site_may_ask_with_a_token(db: None, client: Client) -> None:
    asked = client.options(LOGIN, headers={"origin": "https://shop.test", "access-control-request-method": "POST"})

    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (204, "*")
    assert "Authorization" in asked["Access-Control-Allow-Headers"]
    assert client.get("/api/auth/me")["Access-Control-Allow-Origin"] == "*"


def test_cookies_of_other_sites_are_never_asked_for(db: None, client: Client) -> None:
    assert "Access-Control-Allow-Credentials" not in client.get("/api/auth/me")
    assert "Access-Control-Allow-Origin" not in client.get("/health/live")


def test_the_apis_description_is_valid_openapi_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator = cast(Any, SchemaGenerator)()
        schema = generator.get_schema(request=None, public=True)

    cast(Any, validate_schema)(schema)
    assert {"/api/auth/login", "/api/whatsapp/sessions"} <= set(schema["paths"])
