"""Kept answers in the server itself: when they may be given, what keeps an answer, and whose it is."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.server.kept import FAR_MS, Client, KeepingServer
from tests.integration.server.serving import Server, eventually

A, B = "Authorization: a\r\n", "Authorization: b\r\n"


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with KeepingServer("meinheld", tmp_path_factory.mktemp("kept"), header_timeout=1) as server:
        yield server


@pytest.fixture
def client(keeping: Server) -> Iterator[Client]:
    opened = Client(keeping)
    yield opened
    opened.close()


def wait_until(clock: int, seconds: float) -> None:
    eventually(lambda: time.clock_gettime(clock) >= seconds, "the time")


def test_kept_answer_is_the_one_that_was_made(client: Client) -> None:
    number = client.keep("/page")
    first, second = client.ask("/page"), client.ask("/page")
    assert first.json()["made"] == second.json()["made"] == number
    assert [name for name, _ in first.headers] == [
        "server", "date", "content-type", "x-request-id", "x-content-type-options", "content-length",
    ]  # fmt: skip
    assert first.header("x-request-id") != second.header("x-request-id")


# --- the lease


def test_nothing_is_given_after_the_lease(client: Client) -> None:
    number = client.keep("/page")
    end = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.05
    client.do(["looked", 1, [], 40])
    wait_until(time.CLOCK_BOOTTIME, end)
    assert client.made("/page") != number


def test_nothing_is_given_after_the_lease_to_requests_that_had_to_wait(client: Client) -> None:
    """The loop learns of them at once; the first one takes the rest of the lease."""
    slow = [client.open(), client.open()]
    client.do(["page", "/slow", {"unproven": True, "before": [["block", 60]]}])
    number = client.keep("/page")
    client.do(["looked", 1, [], 40])
    for each in slow:
        each.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.made("/page") != number


def test_lease_of_the_past_gives_nothing(client: Client) -> None:
    number = client.keep("/page")
    client.do(["looked", 1, [], -1])
    assert client.made("/page") != number


def test_lease_can_be_ended_early_and_not_be_made_longer(client: Client) -> None:
    number = client.keep("/page")
    client.do(["lower", FAR_MS / 2])
    assert client.made("/page") == number
    client.do(["lower", -1])
    second = client.made("/page")
    client.do(["lower", FAR_MS])
    assert len({number, second, client.made("/page")}) == 3


def test_one_request_goes_to_the_application_after_half_of_the_lease(client: Client) -> None:
    number = client.keep("/page")
    client.do(["looked", 1, [], FAR_MS, 0])
    assert client.made("/page") != number
    eventually(lambda: client.is_kept("/page"), "a request that is answered from what is kept again")


# --- changes


def test_look_removes_what_rests_on_a_changed_key_and_nothing_else(client: Client) -> None:
    changed, other = client.keep("/changed", keys=["x", "y"]), client.keep("/other", keys=["z"])
    client.do(["looked", 2, ["y"]])
    assert client.made("/changed") != changed
    assert client.made("/other") == other


def test_lease_is_extended_only_after_changes_have_been_removed(client: Client) -> None:
    """An error in between leaves the end of the lease as it was."""
    number = client.keep("/page", keys=["x"])
    assert client.do(["looked", 1, [], -1], ["misled", 2]) == [None, True]
    assert client.made("/page") != number


def test_look_that_starts_a_new_history_removes_everything(client: Client) -> None:
    number = client.keep("/page", keys=["x"])
    client.do(["looked", 2, None])
    assert client.made("/page") != number


def test_ended_token_gets_no_kept_page(client: Client) -> None:
    page = client.keep("/page", A, for_all=True)
    assert client.kept("/page", B) == page or client.made("/page", B)
    client.do(["looked", 2, ["a"]])
    before = client.made("/page", B)
    assert client.made("/page", A) != before


def test_forgetting_takes_effect_at_once(client: Client) -> None:
    number = client.keep("/page", keys=["x"])
    client.do(["forget", ["x"]])
    assert client.made("/page") != number


# --- what is kept


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"position": 0}, "refused_proof"),
        ({"position": 2}, "refused_look"),
        ({"between": [["looked", 1, []]]}, "refused_look"),
        ({"between": [["looked", 2, []], ["looked", 1, []]]}, "refused_look"),
        ({"between": [["forget", ["other"]]]}, "refused_forgotten"),
        ({"before": [["forget", ["other"]]]}, "refused_forgotten"),
        ({"before": [["looked", 1, [], -1]], "between": [["looked", 1, []]]}, "refused_look"),
        ({"status": "404 Not Found"}, "refused_form"),
        ({"status": "201 Created"}, "refused_form"),
        ({"extra": [["set-cookie", "a=b"]]}, "refused_form"),
        ({"extra": [["age", "1"]]}, "refused_form"),
        ({"extra": [["x-request-id", "two"]]}, "refused_form"),
        ({"size": 300_000}, "refused_size"),
        ({"for_all": False}, "refused_form"),
    ],
    ids=str,
)
def test_answer_is_not_kept(client: Client, how: dict[str, Any], reason: str) -> None:
    """Position 1 is the one of the last look. Without a token nothing but a page for everybody is kept."""
    before = client.stat(reason)
    assert client.never_kept("/page", **how)
    assert client.stat(reason) > before


def test_answer_that_could_not_be_sent_at_once_is_not_kept(client: Client) -> None:
    before = client.stat("refused_size")
    client.do(["bound", 1 << 30])
    assert client.never_kept("/page", size=250_000)
    assert client.stat("refused_size") > before


def test_answer_without_a_body_is_kept(client: Client) -> None:
    client.do(["page", "/unchanged", {"status": "304 Not Modified"}])
    eventually(
        lambda: (client.ask("/unchanged").header("x-request-id") or "").startswith("app-k"), "an answer of the server"
    )
    assert client.ask("/unchanged").status == 304


def test_answer_is_kept_at_its_second_miss(client: Client) -> None:
    client.do(["page", "/unique", {}])
    assert client.made("/unique") != client.made("/unique")
    assert client.made("/unique") == client.made("/unique")


@pytest.mark.parametrize("part", ["page", "client"])
@pytest.mark.parametrize(("unit", "clock"), [("ms", time.CLOCK_BOOTTIME), ("s", time.CLOCK_REALTIME)])
def test_nothing_is_given_after_either_part_has_expired(client: Client, part: str, unit: str, clock: int) -> None:
    life = 300 if unit == "ms" else 1
    number = client.keep("/page", A, for_all=True, **{f"{part}_{unit}": life})
    wait_until(clock, time.clock_gettime(clock) + (0.32 if unit == "ms" else 1.05))
    assert client.made("/page", A) != number


# --- whose it is


def test_own_page_is_for_one_token_alone(client: Client) -> None:
    number = client.keep("/own", A, for_all=False)
    other = client.kept("/own", B)
    assert other != number
    assert (client.ask("/own", A).json()["token"], client.ask("/own", B).json()["token"]) == ("a", "b")


def test_page_for_everybody_needs_a_token_that_may_have_it(client: Client) -> None:
    number = client.keep("/page", A, for_all=True)
    assert [client.ask("/page", "Authorization: bad\r\n").status for _ in range(5)] == [401] * 5
    assert client.made("/page") != number
    assert client.made("/page", A) == number


def test_open_page_is_not_given_to_a_bad_token(client: Client) -> None:
    number = client.keep("/open")
    assert [client.ask("/open", "Authorization: bad\r\n").status for _ in range(5)] == [401] * 5
    assert client.made("/open", "Authorization:\r\n") != number
    assert client.made("/open") == number


@pytest.mark.parametrize("header", ["Accept", "Accept-Encoding", "Accept-Language", "If-None-Match", "Origin"])
def test_headers_on_which_an_answer_may_depend_are_told_apart(client: Client, header: str) -> None:
    """Also present and absent, and empty and absent."""
    values = ("", f"{header}:\r\n", f"{header}: 1\r\n", f"{header}: 2\r\n")
    kept = [client.keep("/page", value) for value in values]
    assert len(set(kept)) == 4
    assert [client.made("/page", value) for value in values] == kept


def test_networks_have_an_allowance_each(client: Client) -> None:
    """X-Forwarded-For tells them apart, as it may name the client."""
    client.do(["allow", "net", 1000])
    number = client.keep("/page", "X-Forwarded-For: 1.1.1.1\r\n", allowance="net")
    other = client.made("/page", "X-Forwarded-For: 2.2.2.2\r\n")
    assert other != number
    assert client.made("/page", "X-Forwarded-For: 1.1.1.1\r\n") == number


SENT_BY = {
    "Chrome": (
        "Cache-Control: max-age=0", 'sec-ch-ua: "Chromium";v="142", "Not A(Brand";v="99"', "sec-ch-ua-mobile: ?0",
        'sec-ch-ua-platform: "Linux"', "DNT: 1", "Upgrade-Insecure-Requests: 1", "User-Agent: Mozilla/5.0",
        "Accept: */*", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1",
        "Sec-Fetch-Dest: document", "Sec-Fetch-Storage-Access: active", "Referer: https://a.test/",
        "Accept-Encoding: gzip, br", "Cookie: a=b; c=d",
    ),
    "Firefox": (
        "User-Agent: Mozilla/5.0", "Accept: */*", "Accept-Language: de,en;q=0.5", "Accept-Encoding: gzip",
        "Sec-GPC: 1", "Origin: https://a.test", "Connection: keep-alive", "Sec-Fetch-Dest: empty", "Priority: u=4",
        "Pragma: no-cache", "TE: trailers",
    ),
    "ingress-nginx": (
        "X-Request-ID: a1", "X-Real-IP: 10.0.0.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: a",
        "X-Forwarded-Port: 80", "X-Forwarded-Proto: https", "X-Forwarded-Scheme: https", "X-Scheme: https",
        "X-Original-Forwarded-For: 10.0.0.9",
    ),
    "Traefik": (
        "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Server: a", "X-Real-Ip: 10.0.0.1", "Accept-Encoding: gzip",
    ),
    "Envoy": (
        "x-forwarded-proto: http", "x-envoy-internal: true", "x-request-id: a-1",
        "x-envoy-expected-rq-timeout-ms: 15000", "x-envoy-attempt-count: 1", "x-envoy-external-address: 10.0.0.1",
        "x-forwarded-client-cert: By=a", "x-b3-sampled: 0", f"x-b3-traceid: {'a' * 32}", f"x-b3-spanid: {'b' * 16}",
        f"x-b3-parentspanid: {'c' * 16}", "b3: 0",
    ),
    "load balancers": (
        "X-Amzn-Trace-Id: Root=1-2-3", "Via: 1.1 google", "X-Cloud-Trace-Context: 1/2", "Forwarded: for=10.0.0.1",
        "CF-Connecting-IP: 10.0.0.1", "CF-RAY: 1-FRA", 'CF-Visitor: {"scheme":"https"}', "CF-IPCountry: DE",
        "CDN-Loop: cloudflare", f"traceparent: 00-{'a' * 32}-{'b' * 16}-01", "tracestate: a=b", "baggage: a=b",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lines", SENT_BY.values(), ids=SENT_BY)
def test_requests_of_browsers_and_behind_proxies_are_answered(client: Client, lines: tuple[str, ...]) -> None:
    client.keep("/page", "".join(f"{line}\r\n" for line in lines))


def test_request_with_a_header_that_is_not_known_goes_to_the_application(client: Client) -> None:
    number = client.keep("/page")
    assert client.made("/page", "X-Other: a\r\n") != number


@pytest.mark.parametrize("target", ["/page?a=1", "/page?a=2", "/page?", "/pag%65", "/page/", "//page"])
def test_targets_are_told_apart_by_their_bytes(client: Client, target: str) -> None:
    number = client.keep("/page")
    assert client.made(target) != number


def test_allowance_is_used_up_exactly(client: Client) -> None:
    """Two tokens with allowances of their own; each one's requests go to the application when nothing is left."""
    client.do(["allow", "of a", 1000], ["allow", "of b", 1000])
    for each in (A, B):
        client.keep("/one", each, for_all=True, allowance="of TOKEN")
        client.keep("/two", each, for_all=False, allowance="of TOKEN")
    client.do(["allow", "of a", 7], ["allow", "of b", 1000])
    asked = [client.made("/one" if number % 2 else "/two", A) for number in range(12)]
    assert client.do(["left", "of a"], ["left", "of b"]) == [0, 1000]
    assert (len(set(asked[:7])), len(set(asked[7:]))) == (2, 5)


def test_allowance_of_another_minute_is_not_used(client: Client) -> None:
    client.do(["allow", "of a", 10])
    number = client.keep("/page", A, for_all=True, allowance="of TOKEN")
    client.do(["allow", "of a", 10, -1])
    assert client.made("/page", A) != number
    assert client.do(["left", "of a"]) == [10]


def test_allowance_that_was_forgotten_is_replaced(client: Client) -> None:
    client.do(["allow", "net", 10])
    client.keep("/page", allowance="net")
    client.do(["allow", "net", 10, -20], ["forget_allowance", "net"], ["allow", "net", 1000])
    client.kept("/page")
    assert client.do(["left", "net"])[0] < 1000


def test_allowance_of_a_network_is_shared_by_its_pages(client: Client) -> None:
    client.do(["allow", "net", 1000])
    for path in ("/one", "/two"):
        client.keep(path, allowance="net")
    client.do(["allow", "net", 3])
    numbers = [client.made(path) for path in ("/one", "/two", "/one")]
    assert client.do(["left", "net"]) == [0]
    assert client.made("/two") != numbers[1]
