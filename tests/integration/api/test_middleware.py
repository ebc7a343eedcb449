"""The middleware: paths, request ids, body limits, keys, CORS and content negotiation."""

import http.client
import json
from urllib.parse import urlsplit

import jwt
import pytest
import requests

from tests.api_client import Api, Person


def test_an_unknown_url_is_a_problem(api: Api) -> None:
    answer = api.send("GET", "nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


def other_spellings(path: str) -> list[str]:
    """Other spellings of a path that is answered 200."""
    first, _, rest = path[1:].partition("/")
    inside = f"/{first}//{rest}" if rest else f"/{first}/"
    return [
        *(f"{slashes}{path}" for slashes in ("/", "//", "/.", "/..", "/a/..", "/%2e", "/%2E%2e", "/%2f")),
        *(
            f"{path}{ending}"
            for ending in ("/", "//", "/.", "/..", "%20", "%2f", "%00", ";a", ";a=b", "%3f", ".", "%0a")
        ),
        *(
            inside,
            path.upper(),
            f"/{path[1:]}/".replace("/", "\\").replace("\\", "/", 1),
            f"/%{ord(path[1]):02x}{path[2:]}",
            path.replace("e", "%65"),
        ),
        *(
            f"/{path[1:]}/".replace("/", "%2F").replace("%2F", "/", 1),
            f"{path[:-1]}%{ord(path[-1]):02X}",
            path.replace("e", "%2565"),
        ),
    ]


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/api/v1/health/live", "/.well-known/jwks.json"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_path_has_one_spelling(api: Api, path: str, method: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)

    def status(target: str) -> int:
        connection.request(method, target)
        answer = connection.getresponse()
        body = answer.read()
        assert method == "HEAD" or answer.status != 404 or json.loads(body)["code"] == "not_found"
        return answer.status

    assert status(path) == status(f"{path}?a=%2e//") == (405 if method == "POST" else 200)
    authority = urlsplit(api.url).netloc
    assert status(f"http://{authority}{path}") == status(path)
    for other in other_spellings(path):
        assert status(other) == 404, other
        assert status(f"http://{authority}{other}" if other.startswith("/") else other) in (400, 404), other
    connection.close()


def test_an_unsupported_method_says_what_is_allowed(api: Api, person: Person) -> None:
    answer = person.send("PUT", "users/me")
    assert answer.status_code == 405
    assert {"GET", "PATCH", "DELETE"} <= set(answer.headers["Allow"].split(", "))


def test_a_well_formed_request_id_is_passed_on(api: Api) -> None:
    assert api.send("GET", "health/live", headers={"X-Request-ID": "abc-1.2"}).headers["X-Request-ID"] == "abc-1.2"


@pytest.mark.parametrize("given", ["", "a b", "<script>", "x" * 200])
def test_an_ill_formed_request_id_is_replaced(api: Api, given: str) -> None:
    assert api.send("GET", "health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"] != given


def test_a_traceparent_is_passed_on(api: Api) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert api.send("GET", "health/live", headers={"traceparent": trace}).headers["traceparent"] == trace


def test_a_body_above_the_limit_is_refused(api: Api) -> None:
    answer = api.send("POST", "auth/login", data=b" " * 1_100_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", "/none", 3072),
        ("POST", "/api/v1/auth/logout", 3072),
        ("GET", "/api/v1/users/me", 3072),
        ("OPTIONS", "/api/v1/users/me", 3072),
        ("PATCH", "/api/v1/users/me", 3840),
        ("POST", "/api/v1/auth/refresh", 3072),
    ],
)
def test_body_above_the_route_limit_is_refused_at_its_headers(api: Api, method: str, path: str, most: int) -> None:
    for size in (most + 1, 1_000_000):
        connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)
        connection.putrequest(method, path)
        connection.putheader("Content-Length", str(size))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
        connection.close()
    assert api.send(method, path.removeprefix("/api/v1/"), data=b" " * most).status_code in (200, 401, 404, 415, 422)


def test_a_chunked_body_is_read(api: Api) -> None:
    email = api.register().email
    parts = iter([b'{"email": "', email.encode(), b'", "password": "a long walk in the rain"}'])
    assert api.send("POST", "auth/login", data=parts, headers={"Content-Type": "application/json"}).status_code == 200


def test_public_keys_verify_issued_tokens(api: Api, person: Person) -> None:
    keys = api.root("/.well-known/jwks.json").json()["keys"]
    kid = jwt.get_unverified_header(person.token)["kid"]
    (key,) = [each for each in keys if each["kid"] == kid]
    assert "d" not in key
    claims = jwt.decode(
        person.token, jwt.PyJWK(key), algorithms=["EdDSA"], audience="jobfinder-api", issuer="jobfinder"
    )
    assert claims["sub"] == str(person.id)
    assert jwt.get_unverified_header(person.token)["typ"] == "at+jwt"


def test_a_token_of_another_algorithm_is_refused(api: Api, person: Person) -> None:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    header = jwt.get_unverified_header(person.token)
    forged = jwt.encode(claims, "k" * 32, "HS256", headers={"kid": header["kid"], "typ": "at+jwt"})
    assert api.get("users/me", forged).status_code == 401


def test_cors_is_off_by_default(api: Api) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    for answer in (api.send("OPTIONS", "auth/login", headers=headers), api.send("GET", "health/live", headers=headers)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "Origin" not in answer.headers.get("Vary", "")


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("text/html;q=0.1, application/json;q=0", "text/html"),
        ("image/png", "application/json"),
        ("", "application/json"),
        ("nonsense", "application/json"),
        ("text/html;q=x", "application/json"),
    ],
)
def test_root_answers_html_or_json_by_accept(api: Api, accept: str, media_type: str) -> None:
    answer = requests.get(f"{api.url}/", headers={"Accept": accept}, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, media_type)
    assert "Accept" in answer.headers["Vary"].split(", ")
    if media_type == "application/json":
        assert {api.root(path).status_code for path in answer.json().values()} == {200}
    else:
        assert 'href="/docs"' in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/metrics", "/api/v1/health/live", "/api/v1/users/me"])
@pytest.mark.parametrize(
    "accept", ["image/png", "text/html", "application/xml;q=0.1", "nonsense", "application/json;q=0"]
)
def test_no_accept_header_is_refused(api: Api, path: str, accept: str) -> None:
    status = 401 if path.endswith("/me") else 200
    assert requests.get(f"{api.url}{path}", headers={"Accept": accept}, timeout=30).status_code == status
