"""The contract of transports, held by the one over requests, and seen to fail where it is broken."""

from __future__ import annotations

import pytest

from replicate_home.clock import SYSTEM_CLOCK
from replicate_home.exceptions import Disconnected, RequestTimeout, TransportError
from replicate_home.testing import check_transport
from replicate_home.testing.scripted_server import ScriptedServer, Serve
from replicate_home.testing.transport_contract import CASES, Case, run_case
from replicate_home.transports.over_requests.transport import RequestsTransport
from replicate_home.wire import Request, Response

pytestmark = pytest.mark.reliability


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_requests_transport_keeps_the_contract(case: Case):
    assert run_case(case, RequestsTransport) == []


def test_the_contract_has_many_cases_each_with_a_sentence_of_its_own():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40
    assert all(names)


class Echo:
    """Answers everything at once, whatever was asked."""

    clock = SYSTEM_CLOCK

    def __init__(self, response):
        self.response = response

    def send(self, request, deadline):
        return self.response, None

    def close(self):
        pass


def test_a_transport_without_sockets_is_tried_against_its_own_address():
    check_transport(lambda: Echo(Response(200, {"a": "b"}, b"{}")), url="http://fake.example/v1")


@pytest.mark.parametrize("response", [Response(200, {}, "{}"), None])
def test_a_wrong_answer_is_named_by_its_sentence(response):
    with pytest.raises(AssertionError, match="any: An answer is a Response with lower-case header names"):
        check_transport(lambda: Echo(response), url="http://fake.example/v1")


def test_only_the_groups_asked_for_are_run():
    with pytest.raises(AssertionError, match=r"^deadlines: Silence"):
        check_transport(lambda: Echo(Response(200)), groups=["deadlines"])


class Hasty(RequestsTransport):
    """Sends everything twice."""

    def send(self, request, deadline):
        super().send(request, deadline)
        return super().send(request, deadline)


def test_a_transport_that_sends_twice_is_found_out():
    with pytest.raises(AssertionError, match=r"^answers: A body with a Content-Length is given whole"):
        check_transport(Hasty, groups=["answers"])


class Liar(RequestsTransport):
    """Says of every timeout that nothing was processed."""

    def send(self, request, deadline):
        try:
            return super().send(request, deadline)
        except RequestTimeout as error:
            error.may_have_been_processed = False
            raise


def test_a_transport_that_does_not_tell_the_truth_is_found_out():
    with pytest.raises(AssertionError, match="may_have_been_processed is not True"):
        check_transport(Liar, groups=["deadlines"])


class Leaky(RequestsTransport):
    """Lets the token into its errors."""

    def send(self, request, deadline):
        authorization = f"Bearer {request.token.reveal()}"
        assert authorization
        return super().send(request, deadline)


def test_a_transport_that_shows_the_token_is_found_out():
    with pytest.raises(AssertionError, match="the token is in the traceback"):
        check_transport(Leaky, groups=["faults"])


class Vague(RequestsTransport):
    """Tells no phase from another."""

    def send(self, request, deadline):
        try:
            return super().send(request, deadline)
        except TransportError:
            pass
        raise TransportError("failed", request=request, phase="wait", may_have_been_processed=True)


@pytest.mark.long
def test_what_a_transport_may_leave_out_is_printed_and_returned(capsys):
    left_out = check_transport(Vague, groups=["faults", "deadlines"])
    assert {
        "faults: Headers that are cut: it is TransportError, not Disconnected",
        "faults: Headers that are cut: the phase is 'wait', not 'headers'",
        "deadlines: A deadline that has passed sends nothing: may_have_been_processed is not False",
    } <= set(left_out)
    assert capsys.readouterr().out.splitlines() == [f"left out: {sentence}" for sentence in left_out]


@pytest.mark.parametrize("case", [case for case in CASES if case.optional and case.group == "bodies"], ids=str)
def test_a_part_that_is_optional_may_fail_with_our_errors_and_no_others(case: Case):
    def failing(error):
        class Failing(RequestsTransport):
            def send(self, request, deadline):
                raise error

        return Failing

    assert run_case(case, failing(TransportError("no"))) == ["TransportError: no"]
    with pytest.raises(AssertionError, match=f"{case}: ValueError: no"):
        run_case(case, failing(ValueError("no")))


def test_the_scripted_server_tells_of_a_script_that_fails():
    def fail(received):
        raise RuntimeError("a bug in the test")

    transport = RequestsTransport()
    server = ScriptedServer([Serve(fail)])
    with pytest.raises(AssertionError, match="a bug in the test"), server, pytest.raises(Disconnected):
        transport.send(Request("GET", server.url + "/"), None)
    transport.close()
