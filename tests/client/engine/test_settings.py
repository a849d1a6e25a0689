"""What a client was told: which backend answers a call, and which options are refused."""

from __future__ import annotations

import copy
import math
import pickle
import re
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import Retry

from replicate_home import AuthenticationError, Client, InvalidInput, Timeout
from replicate_home.client.engine.routing import choose
from replicate_home.client.engine.settings import (
    DEFAULT,
    Settings,
    checked_rate,
    checked_retries,
    checked_timeout,
    settings,
)
from replicate_home.dialects import catalogue
from replicate_home.lifecycle.policy import Window
from replicate_home.testing.fake import FakeReplicate

TOKEN = "r8_0123456789abcdefghijklmnopqrstuvwxyz"
HOSTED = "https://api.replicate.com/v1"
HOMEPAGE = "https://homepage.replicate.com"
LOCAL = "https://local.invalid/v1"
GEMMA = "google-deepmind/gemma-2b-it"


def made(**options: Any) -> Settings:
    given = {
        "api_token": None,
        "backend": None,
        "base_url": None,
        "timeout": DEFAULT,
        "max_retries": 3,
        "headers": None,
        **options,
    }
    return settings(**given)


def route(
    ref: str | None = "owner/name", declared: tuple[str, str | None] | None = None, **options: Any
) -> tuple[str, str, str | None, str]:
    """Backend, base URL, token and connections for a call with these options."""
    chosen = choose(made(**options), declared, ref)
    token = getattr(chosen.dialect, "token", None)
    return chosen.dialect.name, chosen.dialect.base_url, token and token.reveal(), chosen.connections


# ---- the seven rules ----


def test_rule_1_backend_goes_before_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "replicate")
    monkeypatch.setenv("REPLICATE_BASE_URL", "https://elsewhere.example/v1")
    declared = ("replicate", "https://declared.example/v1")
    assert route(backend="local") == ("local", LOCAL, None, "local")
    assert route(backend="home") == ("home", HOMEPAGE, None, "network")
    assert route(backend="home", api_token=TOKEN, base_url="http://127.0.0.1:81/") == (
        "home",
        "http://127.0.0.1:81",
        None,
        "network",
    )
    assert route("local/x", declared, backend="replicate", api_token=TOKEN) == (
        "replicate",
        "https://declared.example/v1",
        TOKEN,
        "network",
    )


def test_rule_2_a_transport_says_what_it_speaks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "local")
    assert route(declared=("home", None)) == ("home", HOMEPAGE, None, "network")
    assert route(declared=("home", "http://127.0.0.1:81")) == ("home", "http://127.0.0.1:81", None, "network")
    assert route(declared=("local", None)) == ("local", LOCAL, None, "local")
    assert route(declared=("local", "https://mine.invalid")) == ("local", "https://mine.invalid/v1", None, "local")
    assert route(declared=("replicate", "https://fake.invalid/v1")) == (
        "replicate",
        "https://fake.invalid/v1",
        None,
        "network",
    )
    assert route("local/x", ("replicate", None), api_token=TOKEN) == ("replicate", HOSTED, TOKEN, "network")


def test_rule_2_a_transport_of_ones_own_needs_no_token_that_its_server_does_not_ask_for() -> None:
    assert route(declared=("replicate", None)) == ("replicate", HOSTED, None, "network")
    assert route(declared=("replicate", None), base_url="http://[::1]:81") == (
        "replicate",
        "http://[::1]:81/v1",
        None,
        "network",
    )
    with pytest.raises(ValueError, match=r"^the transport's backend must be one of .*, local; got 'x'$"):
        route(declared=("x", None))


def test_rule_3_the_environment_names_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "local")
    monkeypatch.setenv("REPLICATE_BASE_URL", "http://127.0.0.1:81")
    assert route(api_token=TOKEN) == ("local", LOCAL, None, "local")
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "replicate")
    assert route("local/x") == ("replicate", "http://127.0.0.1:81/v1", None, "network")
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "")
    assert route("local/x", base_url="http://127.0.0.1:82")[1] == "http://127.0.0.1:82/v1"
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "hoem")
    with pytest.raises(ValueError, match=r"^REPLICATE_HOME_BACKEND must be one of .*, local; got 'hoem'$"):
        route()


@pytest.mark.parametrize("ref", ["owner/name", "local/x", GEMMA, None])
def test_rule_4_a_base_url_means_the_hosted_api_there(monkeypatch: pytest.MonkeyPatch, ref: str | None) -> None:
    expected = ("replicate", "https://mine.example/v1", TOKEN, "network")
    assert route(ref, base_url="https://mine.example", api_token=TOKEN) == expected
    monkeypatch.setenv("REPLICATE_BASE_URL", "https://mine.example/v1/")
    assert route(ref, api_token=TOKEN) == expected
    assert route(ref, base_url="https://other.example/v1", api_token=TOKEN)[1] == "https://other.example/v1"
    with pytest.raises(AuthenticationError, match=r"^no API token: set REPLICATE_API_TOKEN or pass api_token="):
        route(ref)


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost", "[::1]:9", "127.1.2.3"])
def test_rule_4_this_machine_needs_no_token(host: str) -> None:
    assert route(base_url=f"http://{host}") == ("replicate", f"http://{host}/v1", None, "network")
    assert route(base_url=f"http://{host}", api_token=TOKEN) == ("replicate", f"http://{host}/v1", TOKEN, "network")


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0"])
def test_rule_4_what_only_looks_like_this_machine_needs_one(host: str) -> None:
    with pytest.raises(AuthenticationError):
        route(base_url=f"http://{host}")


def test_rule_5_local_models_run_here_whether_there_is_a_token_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert route("local/markov") == ("local", LOCAL, None, "local")
    monkeypatch.setenv("REPLICATE_API_TOKEN", TOKEN)
    assert route("local/markov") == ("local", LOCAL, None, "local")
    assert route("local/markov", api_token=TOKEN) == ("local", LOCAL, None, "local")
    assert route("Local/markov") == ("replicate", HOSTED, TOKEN, "network")


def test_rule_6_a_token_means_the_hosted_api_and_a_given_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert route(api_token=TOKEN) == ("replicate", HOSTED, TOKEN, "network")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_from_the_environment")
    assert route() == ("replicate", HOSTED, "r8_from_the_environment", "network")
    assert route(GEMMA, api_token=TOKEN) == ("replicate", HOSTED, TOKEN, "network")
    assert route(None, api_token=TOKEN) == ("replicate", HOSTED, TOKEN, "network")


def test_rule_6_the_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    given = made()
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_first")
    first = choose(given, None, "owner/name").dialect
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_second")
    second = choose(given, None, "owner/name").dialect
    assert [each.token.reveal() for each in (first, second)] == ["r8_first", "r8_second"]


@pytest.mark.parametrize("ref", [*catalogue.models, "gemma-2b", f"{GEMMA}:{catalogue.model_versions[GEMMA]}"])
def test_rule_7_without_a_token_nothing_is_asked_and_the_error_names_the_homepage_that_has_the_model(ref: str) -> None:
    with pytest.raises(AuthenticationError, match=f"backend='home' runs '{re.escape(ref)}' on Replicate's homepage"):
        route(ref)


def test_rule_7_the_homepage_is_asked_where_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert route(GEMMA, backend="home")[0] == "home"
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "home")
    assert route(GEMMA)[0] == "home"


@pytest.mark.parametrize("ref", ["owner/name", "meta/meta-llama-3-70b-instruct", "f" * 64, None])
def test_rule_7_other_models_need_a_token_and_the_error_names_the_ways_out(ref: str | None) -> None:
    with pytest.raises(AuthenticationError) as raised:
        route(ref)
    for way in ("REPLICATE_API_TOKEN", "api_token=", "backend='home'", "local/"):
        assert way in str(raised.value)
    assert raised.value.status == 401


@pytest.mark.parametrize("ref", ["nonsense", "", "a/b/c", "owner/name:", "ownr name"])
def test_rule_7_an_invalid_reference_is_named_as_such(ref: str) -> None:
    with pytest.raises(InvalidInput, match="is not a model"):
        route(ref)


# ---- a Cog server ----


def test_a_cog_server_gets_a_token_only_if_one_was_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", TOKEN)
    cog = "http://127.0.0.1:5000"
    assert route(backend="cog", base_url=cog) == ("cog", cog, None, "network")
    assert route(backend="cog", base_url=cog, api_token=TOKEN) == ("cog", cog, TOKEN, "network")


def test_the_address_of_a_cog_server_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_BASE_URL", "http://127.0.0.1:5000")
    assert route(backend="cog") == ("cog", "http://127.0.0.1:5000", None, "network")
    monkeypatch.delenv("REPLICATE_BASE_URL")
    with pytest.raises(InvalidInput, match="pass base_url= or set REPLICATE_BASE_URL"):
        route(backend="cog")


def test_what_ends_with_its_connection_cannot_be_left_running() -> None:
    client = Client(backend="cog", base_url="http://127.0.0.1:5000")
    with pytest.raises(InvalidInput, match="cancel_on_exit=False cannot hold"):
        client.run("owner/name", {}, cancel_on_exit=False)


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("backend", [None, "replicate"])
def test_a_malformed_base_url_of_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, token: str | None, backend: str | None
) -> None:
    monkeypatch.setenv("REPLICATE_BASE_URL", "localhost:8000")
    with pytest.raises(ValueError, match=r"^REPLICATE_BASE_URL cannot be used: .*'localhost:8000'$"):
        route(api_token=token, backend=backend)
    assert route("local/x", backend="local")[0] == "local"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_BASE_URL", "REPLICATE_HOME_BACKEND"):
        monkeypatch.setenv(name, "")
    assert route("local/x") == ("local", LOCAL, None, "local")
    with pytest.raises(AuthenticationError):
        route()


# ---- pickling ----


def test_an_unpickled_client_has_left_its_token_behind_and_never_falls_back_to_the_homepage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pickled = pickle.dumps(Client(TOKEN))
    assert TOKEN.encode() not in pickled
    with pickle.loads(pickled) as client, pytest.raises(AuthenticationError, match="pickling a client leaves"):
        client.run(GEMMA, prompt="Hi")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_of_the_other_process")
    with pickle.loads(pickled) as client:
        assert client._engine.route(GEMMA).dialect.token.reveal() == "r8_of_the_other_process"


def test_a_token_from_the_environment_is_missed_after_unpickling_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", TOKEN)
    pickled = pickle.dumps(Client())
    monkeypatch.delenv("REPLICATE_API_TOKEN")
    with pickle.loads(pickled) as client, pytest.raises(AuthenticationError):
        client.run(GEMMA, prompt="Hi")


def test_a_client_without_a_token_stays_what_it_was() -> None:
    with pickle.loads(pickle.dumps(Client(backend="local", timeout=7, headers={"X-Team": "a"}))) as client:
        assert client.run("local/plasma", prompt="red", input={"width": 16, "height": 16}).read()[:4] == b"\x89PNG"
        assert (client._engine.settings.timeout, client._engine.settings.headers) == (Timeout(total=7), {"X-Team": "a"})


# ---- options ----


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"api_token": ""}, AuthenticationError, "api_token is empty: leave it out, or set REPLICATE_API_TOKEN"),
        ({"api_token": 5}, TypeError, "api_token must be a string, got int"),
        ({"backend": "hosted"}, ValueError, "backend must be one of replicate, home, cog, local; got 'hosted'"),
        ({"base_url": "api.replicate.com"}, ValueError, "base_url must be an http or https URL"),
        ({"base_url": ""}, ValueError, "base_url must be an http or https URL"),
        ({"base_url": "https://user@host/"}, ValueError, "base_url must be an http or https URL without credentials"),
        ({"base_url": "https://host/v1?key=x"}, ValueError, "base_url must not have a query or fragment"),
        ({"base_url": 5}, TypeError, "base_url must be a string, got int"),
        ({"timeout": 0}, ValueError, "timeout must be a positive number of seconds, or None for no limit; got 0"),
        ({"timeout": -1}, ValueError, "timeout must be a positive"),
        ({"timeout": math.inf}, ValueError, "timeout must be a positive"),
        ({"timeout": math.nan}, ValueError, "timeout must be a positive"),
        ({"timeout": "60"}, TypeError, "timeout must be seconds, None or a Timeout; got str"),
        ({"timeout": True}, TypeError, "timeout must be seconds, None or a Timeout; got bool"),
        ({"timeout": Timeout(idle=0)}, ValueError, "timeout.idle must be a positive number"),
        ({"timeout": Timeout(read="5")}, TypeError, "timeout.read must be seconds, None or a Timeout; got str"),
        ({"max_retries": -1}, ValueError, "max_retries must be a whole number from 0, or a urllib3 Retry; got -1"),
        ({"max_retries": 1.5}, ValueError, "max_retries must be a whole number"),
        ({"max_retries": True}, ValueError, "max_retries must be a whole number"),
        ({"headers": ["X-Team"]}, TypeError, "headers must be a mapping such as {'X-Team': 'a'}, got list"),
        ({"headers": {"X-Team": 5}}, TypeError, "headers must map strings to strings; got 'X-Team': int"),
        ({"headers": {"X-Team": "a\r\nX-Other: b"}}, ValueError, "the header 'X-Team' has characters"),
        ({"headers": {"X Team": "a"}}, ValueError, "the header 'X Team' has characters"),
        ({"headers": {"": "a"}}, ValueError, "the header '' has characters"),
        ({"headers": {"AUTHORIZATION": "Bearer x"}}, ValueError, "pass the token as api_token="),
    ],
)
def test_a_wrong_option_is_named_when_the_client_is_made(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        Client(**options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f" {TOKEN}", f"{TOKEN}\x00", f"{TOKEN}é", TOKEN * 200])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthenticationError) as raised:
        Client(token)
    assert TOKEN not in str(raised.value)
    if "\x00" not in token:
        monkeypatch.setenv("REPLICATE_API_TOKEN", token)
        with Client() as client, pytest.raises(AuthenticationError, match="copy it again"):
            client.run("owner/name", prompt="Hi")


def test_the_token_is_in_no_repr_copy_or_traceback() -> None:
    client = Client(TOKEN, headers={"X-Secret": "hidden"})
    assert repr(client) == "Client(api_token=r8_***yz)"
    given = client._engine.settings
    shown = [given, client._engine.route("owner/name"), vars(client), copy.copy(given)]
    assert not any(TOKEN in repr(each) or "hidden" in repr(each) for each in shown)
    with FakeReplicate() as fake, pytest.raises(TypeError) as raised:
        fake.client(api_token=TOKEN).run("owner/name", {"x": object()})
    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert TOKEN not in "".join(told.format())


def test_the_budget_of_a_call_is_its_own_or_the_clients_or_that_of_its_kind() -> None:
    assert made().budget(DEFAULT) == Timeout(total=600)
    assert made().budget(DEFAULT, 120) == Timeout(total=120)
    assert made(timeout=7).budget(DEFAULT, 120) == Timeout(total=7)
    assert made(timeout=None).budget(DEFAULT, 120) == Timeout(total=None)
    assert made(timeout=7).budget(None) == Timeout(total=None)
    assert made(timeout=7).budget(Timeout(total=9, idle=1)) == Timeout(total=9, idle=1)


@given(st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False) | st.integers(1, 10**9))
def test_any_positive_number_of_seconds_is_a_timeout(seconds: float) -> None:
    assert checked_timeout(seconds) == Timeout(total=float(seconds))


@pytest.mark.parametrize(
    ("given", "expected"), [(0, 0), (5, 5), (None, 0), (Retry(4), 4), (Retry(False), 0), (Retry(total=None), 0)]
)
def test_a_retry_of_urllib3_stands_for_its_total(given: Any, expected: int) -> None:
    assert checked_retries(given) == expected


def test_other_options_on_the_same_connections() -> None:
    client = Client(TOKEN, timeout=7, headers={"X-Team": "a", "X-Other": "b"})
    changed = client.with_options(timeout=None, max_retries=0, headers={"X-Team": "c"}, api_token="r8_other")
    assert changed._engine.settings == made(
        api_token="r8_other", timeout=None, max_retries=0, headers={"X-Team": "c", "X-Other": "b"}
    )
    assert client._engine.settings == made(api_token=TOKEN, timeout=7, headers={"X-Team": "a", "X-Other": "b"})
    with pytest.raises(AuthenticationError):
        client.with_options(api_token="")


@pytest.mark.parametrize("host", ["api.example.com", "10.0.0.1"])
def test_a_token_is_not_taken_for_an_address_that_it_would_not_be_sent_to(host: str) -> None:
    with pytest.raises(ValueError, match=r"only over https.*http://") as raised:
        route(base_url=f"http://{host}/v1", api_token=TOKEN)
    assert TOKEN not in str(raised.value)
    assert route(base_url=f"https://{host}/v1", api_token=TOKEN)[2] == TOKEN


@pytest.mark.parametrize("seconds", [10**400, -(10**400)])
def test_a_timeout_beyond_what_a_clock_can_say_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match=r"^timeout must be a positive number of seconds"):
        checked_timeout(seconds)


def test_a_copy_of_a_client_keeps_its_token_and_shares_its_connections() -> None:
    client = Client(TOKEN, timeout=7)
    for other in (copy.copy(client), copy.deepcopy(client)):
        assert other is not client
        assert other._engine.settings == client._engine.settings
        assert other._engine.connections is client._engine.connections


@pytest.mark.parametrize(
    ("rate", "most", "seconds"),
    [("20/s", 20, 1), ("300/min", 300, 60), ("1000 / h", 1000, 3600), (20, 20, 1), (2.5, 2, 0.8), ("0.5/s", 1, 2)],
)
def test_a_rate_is_so_many_requests_in_a_second_a_minute_or_an_hour(rate: Any, most: int, seconds: float) -> None:
    assert checked_rate(rate) == Window(most, seconds)


@pytest.mark.parametrize("rate", ["20", "20/day", "many/s", "nan/s", "inf/s", 0, -1, "0/s", 10**400, ""])
def test_a_rate_that_is_none_is_refused_with_examples(rate: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^rate_limit must be such as '20/s', '300/min' or '1000/h', or a number"):
        checked_rate(rate)


@pytest.mark.parametrize("rate", [True, None, ["20/s"]])
def test_a_rate_of_another_type_is_refused(rate: Any) -> None:
    with pytest.raises(TypeError, match=r"^rate_limit must be a string such as '20/s', a number or None; got"):
        checked_rate(rate)
