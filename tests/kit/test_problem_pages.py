"""What a page refuses is told in words, with its own status, and as a fragment where htmx asked."""

import json
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.identity.roles import Role
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted, TooMany, Unavailable
from apps.kit.ids import new_id
from apps.kit.request_id import begin_request, current_request_id
from apps.kit.ui import views
from apps.kit.ui.middleware import ProblemPageMiddleware
from apps.kit.ui.problems import problem_page
from apps.kit.ui.toasts import toast
from tests import factories


def asked(method: str = "get", **headers: str) -> HttpRequest:
    request = getattr(RequestFactory(), method)("/agents/1/", headers=headers)
    request.user = AnonymousUser()
    return request


@pytest.mark.parametrize(
    "error", [InvalidInput("No."), NotPermitted("No."), Conflict("No."), Unavailable("No.")]
)
def test_a_refusal_keeps_its_status_and_says_why(error: DomainError) -> None:
    response = problem_page(asked(), error)
    text = response.content.decode()
    assert response.status_code == error.status
    assert error.title in text
    assert error.code in text
    assert "<html" in text


def test_a_refused_write_says_that_nothing_was_changed() -> None:
    conflict = Conflict("It has no active certification.", fields={"certification": "Active"})
    text = problem_page(asked("post"), conflict).content.decode()
    assert "Nothing was changed." in text
    assert "It has no active certification." in text
    assert "certification" in text
    assert "Nothing was changed." not in problem_page(asked(), conflict).content.decode()


def test_htmx_gets_a_fragment_for_the_place_of_problems() -> None:
    response = problem_page(asked("post", HX_Request="true"), Conflict("No."))
    assert response["HX-Retarget"] == "#problem"
    assert b"<html" not in response.content
    assert b'role="alert"' in response.content


def test_a_boosted_link_gets_a_whole_page() -> None:
    response = problem_page(asked(HX_Request="true", HX_Boosted="true"), Conflict("No."))
    assert b"<html" in response.content


def test_too_many_says_when_to_come_back() -> None:
    assert problem_page(asked(), TooMany("Slow down.", retry_after_s=30))["Retry-After"] == "30"


def test_a_hostile_message_stays_text() -> None:
    response = problem_page(asked(), Conflict("<script>x</script>", fields={"<b>": "<i>"}))
    assert b"<script>x" not in response.content
    assert b"<b><" not in response.content


def test_the_middleware_names_the_request_and_leaves_other_failures_alone() -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(current_request_id())
        return HttpResponse()

    middleware = ProblemPageMiddleware(view)
    begin_request()
    assert middleware(asked())["X-Request-ID"] == seen[0]
    assert middleware.process_exception(asked(), ValueError("x")) is None
    refused = middleware.process_exception(asked(), Conflict("No."))
    assert refused is not None
    assert refused.status_code == 409


@pytest.mark.parametrize(("proxies", "kept"), [(0, False), (1, True)])
def test_an_id_sent_along_is_believed_behind_a_trusted_proxy_only(settings, proxies: int, kept: bool) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    assert (begin_request("caller-0001") == "caller-0001") is kept


def test_an_id_that_is_not_one_is_replaced(settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    assert begin_request("a\nb") != "a\nb"
    assert begin_request("") != begin_request("")


@pytest.mark.django_db
def test_an_address_that_takes_a_form_says_so_when_it_is_opened() -> None:
    client = Client()
    client.force_login(factories.make_person(Role.CURATOR).person, backend="apps.identity.auth.PersonBackend")
    answer = client.get(reverse("agents:blueprint-attach", args=[new_id()]))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "takes a form that is sent" in answer.content.decode()
    assert "method_not_allowed" in answer.content.decode()
    api = client.delete("/api/v1/agents")
    assert (api.status_code, api["Content-Type"]) == (405, "application/problem+json")


def test_the_page_of_a_crash_needs_nothing() -> None:
    text = render_to_string("500.html")
    assert "Something failed on our side" in text
    assert 'href="/static/css/tokens.css"' in text


def test_a_form_without_a_token_is_refused_in_words() -> None:
    response = views.csrf_failure(asked("post"), "CSRF cookie not set.")
    assert response.status_code == 403
    assert b"Load the page again" in response.content
    assert b"CSRF cookie" not in response.content


@pytest.mark.parametrize(("sent", "stored"), [("dark", "dark"), ("light", "light")])
def test_a_theme_is_kept_in_a_cookie_scripts_cannot_read(sent: str, stored: str) -> None:
    response = views.switch_theme(RequestFactory().post("/theme", {"theme": sent, "next": "/kit/"}))
    assert response.cookies["chancery_theme"].value == stored
    assert response.cookies["chancery_theme"]["httponly"]
    assert response["Location"] == "/kit/"


def test_the_system_theme_is_the_absence_of_a_choice() -> None:
    response = views.switch_theme(RequestFactory().post("/theme", {"theme": ""}))
    assert response.cookies["chancery_theme"]["max-age"] == 0


def test_a_theme_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput):
        views.switch_theme(RequestFactory().post("/theme", {"theme": "pink"}))


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_switching_the_theme_leads_nowhere_else(target: str) -> None:
    response = views.switch_theme(RequestFactory().post("/theme", {"theme": "dark", "next": target}))
    assert response["Location"] == "/"


def test_the_kit_page_is_for_staff() -> None:
    request = RequestFactory().get("/kit/")
    request.user = SimpleNamespace(is_authenticated=True, is_staff=False)
    with pytest.raises(NotPermitted):
        views.kit(request)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("400.html", "The request is not as expected"),
        ("403.html", "Your roles do not include this."),
        ("404.html", "There is nothing at this address, or nothing you may see."),
    ],
)
def test_a_page_for_every_plain_refusal(template: str, said: str) -> None:
    text = render_to_string(template)
    assert said in text
    assert text.count("<h1>") == 1
    assert "<nav" not in text


def test_a_toast_travels_with_an_answer_to_htmx() -> None:
    response = toast(HttpResponse(), "Owner changed.")
    assert json.loads(response["HX-Trigger"]) == {"toast": {"text": "Owner changed.", "icon": "check"}}
