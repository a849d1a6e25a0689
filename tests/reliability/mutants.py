"""Small wrongs, each of which must make a test of its promise fail: the proof that the tests can.

``old`` stands once in ``file``; with ``new`` in its place ``test`` has to fail. The table is long so that every rule
that keeps a promise is in it; those marked ``quick`` are tried by day.
"""
# ruff: noqa: E501 - lines of code and names of tests are as long as they are

from __future__ import annotations

import attrs

G1 = "tests/reliability/test_g01_exact_streams.py"
G2 = "tests/reliability/test_g02_creates.py"
G3 = "tests/reliability/test_g03_secrets.py"
G4 = "tests/reliability/test_g04_deadlines.py"
G6 = "tests/reliability/test_g06_only_our_errors.py"
G7 = "tests/protocol/test_sse.py"
NAMES, PAGES = "tests/operations/test_names.py", "tests/operations/test_pages.py"
RECORDS = "tests/records/test_records.py"
REPLAYED = "tests/lifecycle/test_replays.py"
G10 = "tests/reliability/test_g10_bounded_memory.py"
G13 = "tests/reliability/test_g13_nothing_left_open.py"
G14 = "tests/reliability/test_g14_threads_and_fork.py"
G15 = "tests/transports/test_transport_contract.py"
CLOCK, VIRTUAL = "tests/test_clock.py", "tests/testing/test_virtual_time.py"
ATTACKS = "tests/transports/test_requests_attacks.py"
TOOLS = "tests/transports/test_requests_tools.py"
PROXIES = "tests/transports/test_tls_and_proxies.py"
BLOCKING = "tests/transports/test_requests_transport.py"


@attrs.frozen
class Mutant:
    """``why`` is what would go wrong."""

    why: str
    file: str
    old: str
    new: str
    test: str
    quick: bool = False


LIFECYCLE, LIFE = "lifecycle/machine.py", "lifecycle/life.py"
REPLAYS, DELTAS, POLICY, URLS = "lifecycle/replays.py", "lifecycle/deltas.py", "lifecycle/policy.py", "protocol/urls.py"
DIALECT, REPLICATE = "dialects/base.py", "dialects/replicate.py"
REDACTION = "protocol/redaction.py"
DRIVE, LEAVING = "drivers/drive.py", "drivers/leaving.py"
CONNECTION, EXCHANGE = "transports/over_requests/connections.py", "transports/over_requests/exchange.py"
BODY, ANSWER = "transports/over_requests/bodies.py", "transports/over_requests/answers.py"
SENDER, ADAPTER = "transports/over_requests/sender.py", "transports/over_requests/adapter.py"
DECODING, FAILURES, PREPARED = "transports/decoding.py", "transports/errors.py", "transports/prepared.py"
ENVIRONMENT = "transports/environment.py"

MUTANTS = (
    # ---- G1: exact streams
    Mutant("an event that comes again is delivered again", REPLAYS,
           "if this_number <= number:", "if this_number < number:", REPLAYED),
    Mutant("an opaque id that comes again is delivered again", REPLAYS,
           "elif own in others:", "elif False:", f"{G1}::test_what_a_server_loses_or_repeats_is_put_right", quick=True),
    Mutant("a jump in the numbers goes unnoticed", REPLAYS,
           "gap = this_number != number + 1", "gap = False", f"{G1}::test_what_a_server_loses_or_repeats_is_put_right"),
    Mutant("output without ids after a reconnect is taken for new", REPLAYS,
           'if reopened and event[0] == "output":', "if False:", f"{G1}::test_what_a_server_loses_or_repeats_is_put_right"),
    Mutant("what a stream missed is not delivered at the end", LIFECYCLE,
           "(life, []) if removed else life.delivering(final=succeeded)", "(life, [])",
           f"{G1}::test_a_stream_that_is_cut_at_any_byte_still_delivers_every_piece_once"),
    Mutant("a stream is opened again for ever", LIFECYCLE,
           "cuts=life.cuts + 1", "cuts=life.cuts", f"{G1}::test_a_stream_whose_cuts_bring_nothing_is_given_up"),
    Mutant("a stream is opened again sooner than the server asked", POLICY,
           "return patient(min(10.0, max(0.1, retry_ms / 1000)), drawn)", "return drawn * min(10.0, max(0.1, retry_ms / 1000))",
           "tests/lifecycle/test_policy.py::test_a_stream_is_never_opened_again_sooner_than_the_server_asked"),
    Mutant("a file that is named by its URL later contradicts its data URI", DELTAS,
           "return bool(_DATA_URI.match(delivered) and _URL.fullmatch(item))", "return False", "tests/lifecycle/test_deltas.py"),
    Mutant("any text passes for the URL of a file that was a data URI", DELTAS,
           "return bool(_DATA_URI.match(delivered) and _URL.fullmatch(item))", "return bool(_DATA_URI.match(delivered))",
           "tests/lifecycle/test_deltas.py"),
    Mutant("a stream without ids is opened again", LIFECYCLE,
           "may_open = life.seen.last or life.opens == 0", "may_open = True",
           f"{G1}::test_a_stream_without_ids_is_not_opened_again"),
    Mutant("a stream is not opened: its output is polled", REPLICATE,
           "if not isinstance(url, str) or not urls.is_safe(self.base_url, url):", "if url:",
           f"{G1}::test_a_stream_is_opened_and_polled_for_its_last_word_only", quick=True),
    Mutant("output that contradicts what was delivered is appended", DELTAS,
           "if seen.startswith(have):", "if True:", f"{G1}::test_a_server_that_contradicts_itself_is_an_error_that_shows_both_sides"),
    Mutant("a final output that falls short of what was delivered passes", DELTAS,
           "if have.startswith(seen) and not final:", "if have.startswith(seen):",
           f"{G1}::test_a_server_that_contradicts_itself_is_an_error_that_shows_both_sides"),
    Mutant("half an event is joined to the next connection's first", DRIVE,
           "            self._decoder = Decoder()\n        return response", "            pass\n        return response",
           f"{G1}::test_a_stream_that_is_cut_at_any_byte_still_delivers_every_piece_once"),
    Mutant("the end of a body that was cut passes for its end", ANSWER,
           'raise Cut("it ended before all of it had come")', "pass",
           f"{G2}::test_an_answer_that_breaks_at_any_byte_is_never_asked_for_again"),
    Mutant("tokens are handed on when the body has ended", BODY,
           "                data = self._reader.read()\n", '                data = b"".join(iter(self._reader.read, b""))\n',
           f"{G1}::test_a_token_is_delivered_before_the_next_is_sent"),
    Mutant("an incomplete text is handed out as if it were all", "lifecycle/endings.py",
           "if not delivered or snapshot is None:", "if True:", f"{G1}::test_a_server_that_cannot_be_asked_any_more_leaves_the_text_so_far"),
    Mutant("an output that was removed passes for an empty one", LIFECYCLE,
           "removed = snapshot.data_removed and snapshot.output is None", "removed = False",
           f"{G1}::test_an_output_that_the_server_has_removed_is_no_end_of_a_stream"),
    # ---- G2: creates
    Mutant("a create whose outcome is unknown is sent again", LIFECYCLE,
           "return _outcome_unknown(sending, came, now) if _may_have_been_processed(came) else _again(sending, came, now)",
           "return _again(sending, came, now)", f"{G2}::test_a_request_that_was_sent_in_part_is_never_sent_again"),
    Mutant("a create is sent again after 503", DIALECT,
           "if status == 429:", "if status in (429, 503):", f"{G2}::test_an_answer_without_sense_is_no_reason_to_create_again"),
    Mutant("a create is not sent again after 429", DIALECT,
           "if status == 429:", "if False:", f"{G2}::test_a_throttled_create_is_sent_again_and_counted_once_by_the_server"),
    Mutant("a failed create of a failing server is called a refusal", LIFECYCLE,
           "return _outcome_unknown(sending, _refusal(sending, came, now), now)",
           "return Settled(life, _refusal(sending, came, now))", f"{G2}::test_an_answer_without_sense_is_no_reason_to_create_again"),
    Mutant("a request that was sent is called unsent", FAILURES,
           "processed=sent)", "processed=False)", f"{G2}::test_a_request_that_was_sent_in_part_is_never_sent_again"),
    Mutant("a create goes over a connection that has idled for long", CONNECTION,
           "return idle <= allowed and self.owner", "return self.owner",
           f"{BLOCKING}::TestPooling::test_a_create_takes_no_connection_that_was_idle_for_long_and_a_poll_does"),
    Mutant("a forked child speaks on its parent's connection", CONNECTION,
           "self.owner == os.getpid() and", "", f"{BLOCKING}::TestPooling::test_a_child_process_takes_connections_of_its_own"),
    Mutant("a server is asked to cancel sooner than it can", REPLICATE,
           "max(SHORTEST_CANCEL_AFTER, math.ceil(wanted.cancel_after))", "math.ceil(wanted.cancel_after)",
           f"{G2}::test_a_timeout_of_the_callers_own_bounds_the_cost_at_the_server"),
    Mutant("a prediction that is the caller's own is canceled by the server", "client/engine/calls.py",
           "if life_terms.cancels and is_limited else None", "if is_limited else None",
           f"{G2}::test_a_timeout_of_the_callers_own_bounds_the_cost_at_the_server"),
    # ---- G3: secrets
    Mutant("the token goes to any https host", URLS,
           "found is not None and found == origin(base_url) and", "found is not None and", f"{G3}::test_a_stream_url_elsewhere_gets_no_token", quick=True),
    Mutant("the token goes over plain http", URLS,
           '(found[0] == "https" or is_loopback(url))', "True", f"{G3}::test_the_token_goes_over_https_or_to_this_machine"),
    Mutant("a redirect of a poll is followed to any host", LIFECYCLE,
           "urls.origin(urls.resolve(sending.request.url, location)) == here", "True", f"{G3}::test_a_redirect_away_from_the_api_is_not_followed"),
    Mutant("a redirect of a file takes the token along", LIFECYCLE,
           "url=target, token=None, headers=headers)", "url=target, headers=headers)",
           f"{G3}::test_no_byte_of_the_token_reaches_another_server"),
    Mutant("a redirect of a file leads anywhere", LIFECYCLE,
           "or not urls.is_safe(base_url, target):", "or False:", f"{G3}::test_a_file_elsewhere_gets_no_token_and_leads_to_no_internal_host"),
    Mutant("a stream URL leads anywhere", REPLICATE,
           "or not urls.is_safe(self.base_url, url):", "or False:", f"{G3}::test_a_stream_url_that_is_unsafe_is_not_asked_at_all"),
    Mutant("the repr of a secret is the secret", "wire.py",
           'return f"{self._value[:3]}***{self._value[-2:]}" if len(self._value) >= 12 else "***"', "return self._value",
           f"{G3}::test_nothing_that_a_client_hands_out_shows_it"),
    Mutant("a secret is pickled", "wire.py",
           'return Secret, ("",)', "return Secret, (self._value,)", f"{G3}::test_what_is_pickled_leaves_the_token_behind"),
    Mutant("a header on its way is shown in tracebacks", SENDER,
           "raise failure.with_traceback(None)", "raise failure", f"{G3}::test_an_interrupt_on_the_way_shows_nothing"),
    Mutant("the token is printed with what is sent", CONNECTION,
           "self.debuglevel = 0  #", "#", f"{G3}::test_a_server_that_repeats_the_token_does_not_make_us_show_it"),
    Mutant("the token goes to a proxy in the clear", ENVIRONMENT,
           "if self.forwards and request.token is not None:", "if False:", f"{PROXIES}::TestProxies::test_no_proxy_is_sent_the_token_in_the_clear"),
    Mutant("what is on this machine is asked for through a proxy", ENVIRONMENT,
           "if trusted and not is_loopback(url):", "if trusted:",
           f"{PROXIES}::TestProxies::test_for_what_is_on_this_machine_no_proxy_of_the_environment_is_asked"),
    Mutant("a percent sign in a host is decoded", PREPARED,
           "s\\\\%]+)", "s\\\\]+)", f"{ATTACKS}::TestAnswers::test_a_percent_sign_in_a_host_is_not_decoded"),
    Mutant("an address may hide in another", URLS,
           "address.packed[0] >> 5 != 1 or ", "", "tests/protocol/test_urls.py"),
    Mutant("a server's answer without sense is shown in tracebacks", REDACTION,
           "failure = error.with_traceback(None)", "failure = error", f"{G3}::test_a_server_that_repeats_the_token_does_not_make_us_show_it"),
    Mutant("a list leads to any server", "operations/base.py",
           "return urls.origin(url) == urls.origin(base_url)", "return True",
           f"{PAGES}::test_a_page_that_leads_elsewhere_is_none"),
    Mutant("a webhook secret is shown", "records/account.py",
           "return \"WebhookSigningSecret(key='whsec_***')\"", "return super().__repr__()",
           "tests/operations/test_operations.py::test_a_webhook_secret_is_not_shown"),
    Mutant("a known token stays in what is shown", REDACTION,
           'return text.replace(secret, "***") if secret else text', "return text",
           "tests/protocol/test_problems.py::test_an_echoed_token_is_struck_out_wherever_the_text_is_cut"),
    # ---- G4: deadlines
    Mutant("the last look takes its time", POLICY,
           "LAST_LOOK = 0.4", "LAST_LOOK = 4.0", f"{G4}::test_whatever_takes_how_long_the_deadline_holds", quick=True),
    Mutant("the deadline is not looked at between requests", LIFECYCLE,
           "return _last_look(state.life, state.news, now) if now >= deadline else attrs.evolve(state, until=deadline)",
           "return state",
           f"{G4}::test_whatever_takes_how_long_the_deadline_holds"),
    Mutant("a retry waits beyond the deadline", LIFECYCLE,
           "now + delay >= life.terms.deadline:", "False:", f"{G4}::test_whatever_takes_how_long_the_deadline_holds"),
    Mutant("each receive has the time of all", ANSWER,
           "            self._sock.settimeout(exchange.left())", "            self._sock.settimeout(5)",
           f"{G4}::test_no_call_outlives_its_deadline"),
    Mutant("a result that is there at the deadline is thrown away", LIFECYCLE,
           "if snapshot.is_terminal and not (tried and stopped):", "if False:", f"{G4}::test_a_result_that_is_there_at_the_deadline_is_returned"),
    Mutant("at the deadline nothing is canceled", LIFECYCLE,
           "cancel = _cancel_request(life)\n    until", "cancel = None\n    until",
           f"{G4}::test_whoever_created_the_prediction_cancels_it_and_says_so"),
    # ---- G6: only our errors
    Mutant("errors do not survive pickling", "exceptions.py",
           "return _restore, (type(self), self.args, self.__dict__, cause)", "return type(self), self.args",
           f"{G6}::test_whatever_is_answered_only_our_errors_are_raised"),
    Mutant("JSON that is too deep escapes as a RecursionError", "protocol/strict_json.py",
           "except (ValueError, RecursionError) as error:", "except ValueError as error:", f"{G6}::test_whatever_is_answered_only_our_errors_are_raised"),
    Mutant("a prediction without a status is a KeyError", DIALECT,
           'if "status" not in found:', "if False:", f"{G2}::test_an_answer_without_sense_is_no_reason_to_create_again"),
    Mutant("an answer that is no HTTP is not taken for an outcome", DRIVE,
           "self.deadline_for(sending.until))\n        except (TransportError, ProtocolError) as lost:",
           "self.deadline_for(sending.until))\n        except TransportError as lost:",
           f"{G2}::test_an_answer_without_sense_is_no_reason_to_create_again"),
    Mutant("an id that is a path is asked for", DIALECT,
           "if not _ID.fullmatch(prediction_id):", "if False:", f"{G6}::test_an_argument_that_cannot_be_meant_is_refused_before_any_request", quick=True),
    Mutant("a name that is a path is asked for", "operations/names.py",
           "if not _OWNER_AND_NAME.fullmatch(text):", "if False:", f"{NAMES}::test_a_name_that_is_none_is_refused"),
    Mutant("an id of a file that is a path is asked for", "operations/names.py",
           "if not _ID.fullmatch(id):", "if False:", f"{NAMES}::test_an_id_that_is_none_is_refused"),
    Mutant("a field of a wrong kind is handed out", "records/base.py",
           "        if wrong is not None:", "        if False:", f"{RECORDS}::test_a_value_of_a_wrong_kind_is_named_and_not_shown"),
    # ---- G7: the decoder
    Mutant("a byte order mark spoils the first event", "protocol/sse.py",
           '_BOM = b"\\xef\\xbb\\xbf"', '_BOM = b"\\xff\\xff\\xff"', G7),
    Mutant("a CR alone ends no line", "protocol/sse.py",
           '_LINE_END = re.compile(rb"\\r\\n?|\\n")', '_LINE_END = re.compile(rb"\\r\\n|\\n")', G7),
    Mutant("a CR at the end of a text ends no line", "protocol/sse.py",
           '.replace("\\r", "\\n")', "", G7),
    Mutant("an id is forgotten where it comes before the name", "protocol/sse.py",
           '                elif name == "event":\n                    event = value', '                elif name == "event":\n                    event, own_id = value, None', G7),
    # ---- G10: memory
    Mutant("an answer of any length is held", DECODING,
           "WHOLE_LIMIT = 64 * 1024 * 1024", "WHOLE_LIMIT = 640 * 1024 * 1024", f"{G10}::test_a_json_answer_beyond_the_cap_is_an_error_and_not_held"),
    Mutant("gzip is unpacked all at once", DECODING,
           "_PIECE = 256 * 1024", "_PIECE = 256 * 1024 * 1024", f"{G10}::test_noise_on_a_stream_takes_no_memory"),
    Mutant("a message is as long as the answer", REDACTION,
           'return text if len(text) <= length else text[: length - 1] + "…"', "return text",
           f"{G10}::test_the_message_of_an_error_is_short_whatever_came"),
    Mutant("an event may have any length", "protocol/sse.py",
           "if len(self._data) + line > self._max_event:", "if False:",
           f"{G10}::test_an_event_beyond_the_cap_ends_the_stream_and_polling_goes_on"),
    # ---- G13: nothing left open
    Mutant("Ctrl-C leaves the prediction running", DRIVE,
           "except BaseException as error:", "except Exception as error:", f"{G13}::test_ctrl_c_passes_and_leaves_nothing_behind"),
    Mutant("Ctrl-C while a create is under way leaves its prediction running", DRIVE,
           "came = None if create is None else create.heard(LEAVING)", "came = None",
           f"{G13}::test_ctrl_c_while_a_create_is_under_way_cancels_what_it_creates"),
    Mutant("a second Ctrl-C sends a second cancel", LIFECYCLE,
           "return Settled(self.life, self.cause) if self.kind in _LATE else _leave(_naming(self), now)", "return _leave(self.life, now)",
           f"{G13}::test_a_second_ctrl_c_passes_at_once"),
    Mutant("leaving may take long", POLICY,
           "LEAVING = 2.0", "LEAVING = 20.0", f"{G13}::test_a_cancel_that_is_not_answered_is_waited_for_briefly"),
    Mutant("a stream that is dropped leaves the prediction running", LEAVING,
           "if not drive.has_to_cancel():", "if True:", f"{G13}::test_leaving_cancels_once_and_leaves_nothing_behind"),
    Mutant("a script that ends leaves the prediction running", LEAVING,
           "if not threading.main_thread().is_alive():", "if False:",
           f"{G13}::test_a_script_that_ends_with_a_stream_open_cancels_and_says_nothing"),
    Mutant("a prediction that is not ours is canceled", LIFECYCLE,
           "if not life.terms.cancels or snapshot is None or snapshot.is_terminal:", "if snapshot is None or snapshot.is_terminal:",
           f"{G13}::test_leaving_what_is_over_or_not_ours_cancels_nothing"),
    # ---- G14: threads and fork
    Mutant("a forked child cancels its parent's prediction", DRIVE,
           "if self._process != os.getpid():", "if False:", f"{G14}::test_a_child_that_leaves_its_parents_stream_cancels_nothing"),
    Mutant("a thread's answer may be another's", "client/engine/connections.py",
           "self._network = self._network or RequestsTransport()", "self._network = RequestsTransport()",
           f"{G14}::test_threads_that_begin_together_share_one_transport"),
    # ---- G15: the transport's contract
    Mutant("a request that was sent is called unsent", FAILURES,
           "processed=sent)", "processed=False)", G15),
    Mutant("a body that is cut passes for whole", ANSWER,
           'raise Cut("it ended before all of it had come")', "pass", G15),
    Mutant("a gzip that is cut passes for whole", DECODING,
           'raise Cut(f"its {self._coding} ended early")', "pass", G15),
    Mutant("a length that is no number is ignored", DECODING,
           "if lengths or not (number.isascii() and number.isdecimal() and len(number) < 19):", "if lengths:", G15),
    Mutant("headers may be as long as they like", ANSWER,
           "if answer.headers is None and self._head > HEAD_LIMIT:", "if False:", G15),
    Mutant("early hints are taken for the answer", ANSWER,
           "if self.status >= 200:", "if self.status >= 102:", G15),
    Mutant("a connection that carries more than its answer is used again", ANSWER,
           "connection.is_spoiled = True", "pass", G15),
    Mutant("what came during an upload is not looked at", CONNECTION,
           "if wait_for_read(sock, 0) and _has_answered(sock, exchange):", "if False:",
           f"{ATTACKS}::TestEarlyAnswers::test_a_refusal_is_heard_while_the_upload_is_under_way"),
    Mutant("a refusal under TLS is lost", CONNECTION,
           "except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):", "except BrokenPipeError:",
           f"{ATTACKS}::TestEarlyAnswers::test_a_server_that_goes_away_during_an_upload_may_have_processed_it"),
    Mutant("TLS within TLS has the deadline for each record", CONNECTION,
           "return _Timed(outer, self) if tunnels else outer", "return outer",
           f"{ATTACKS}::TestTLSWithinTheTLSOfAProxy::test_a_handshake_that_drips_is_held_to_the_deadline"),
    Mutant("what waits within TLS is not seen", CONNECTION,
           "return bool(sock.incoming.pending or sock.sslobj.pending())", "return False",
           f"{ATTACKS}::TestTLSWithinTheTLSOfAProxy::test_a_second_answer_in_one_piece_with_the_first_is_not_the_next_one"),
    Mutant("a body that TLS did not end passes for whole", ANSWER,
           "sock.suppress_ragged_eofs = False", "pass",
           f"{ATTACKS}::TestTLS::test_a_body_that_only_the_connection_ends_is_cut_where_tls_did_not_end"),
    Mutant("a certificate that a server wants is a connection that broke", FAILURES,
           'if progress.fresh and phase in ("send", "wait") and _refuses_our_certificate(cause):', "if False:",
           f"{ATTACKS}::TestTLS::test_a_server_that_wants_a_certificate_of_ours_has_processed_nothing"),
    Mutant("an adapter sends again by itself", CONNECTION,
           "options.update(retries=_ONCE, pool_timeout=exchange.left())", "options.update(pool_timeout=exchange.left())",
           f"{BLOCKING}::TestSessions::test_other_retries_of_an_adapter_are_not_done"),
    Mutant("a free connection is waited for without end", CONNECTION,
           "options.update(retries=_ONCE, pool_timeout=exchange.left())", "options.update(retries=_ONCE)",
           f"{BLOCKING}::TestSessions::test_a_blocking_pool_without_a_free_connection_is_waited_for_until_the_deadline"),
    Mutant("every address of a host has the whole limit", CONNECTION,
           "left and left / (len(addresses) - number)", "left",
           f"{BLOCKING}::TestConnecting::test_the_addresses_of_a_host_are_tried_in_turn_within_one_limit"),
    Mutant("recorders are gone past", CONNECTION,
           "return DeadlineConnection if current is HTTPConnection else current", "return DeadlineConnection",
           f"{TOOLS}::TestRecorders::test_vcrpy_records_plays_and_lets_nothing_out_that_it_has_not"),
    Mutant("mocks of sessions are gone past", SENDER,
           "response = self._session.send(", "self._session.headers = None\n        response = requests.Session.send(_own_session(), ",
           f"{TOOLS}::TestMocks::test_the_adapter_of_requests_mock"),
    Mutant("a redirect is looked up", SENDER,
           "if response.is_redirect:", "if False:",
           f"{BLOCKING}::TestSessions::test_a_redirect_is_given_as_it_came_and_its_target_is_not_looked_up"),
    Mutant("a cache answers a poll", PREPARED,
           'headers.setdefault("Cache-Control", "no-store")', "pass",
           f"{TOOLS}::TestSessions::test_a_cached_session_gives_no_old_answers"),
    Mutant("a token that cannot be sent is shown", PREPARED,
           "if request.token is not None and not _IS_VALUE(request.token.reveal()):", "if False:",
           f"{BLOCKING}::TestItself::test_a_token_that_cannot_be_sent_is_not_shown"),
    Mutant("an adapter that repeats posts is used", ADAPTER,
           "    if not retries.allowed_methods or", "    if False and",
           f"{BLOCKING}::TestSessions::test_an_adapter_that_repeats_posts_is_refused"),
    # ---- virtual time
    Mutant("time passes while another thread has something to do", "clock.py",
           "        clock._await(_AT_WORK)", "        pass", f"{CLOCK}::test_threads_that_sleep_wake_at_their_own_moments_and_none_is_late"),
    Mutant("the sleep that ends first does not go on first", "clock.py",
           "        if self._asleep[0] is not sleeper:\n            sleeper.woken.wait()\n        elif not self._awaited:", "        if not self._awaited:",
           f"{CLOCK}::test_threads_that_sleep_wake_at_their_own_moments_and_none_is_late"),
    Mutant("an event loop's time passes before what was woken has gone on", "transports/async_base.py",
           "_TURNS = 10", "_TURNS = 0", "tests/transports/test_async_base.py"),
    Mutant("a held create moves the time of everything else", "clock.py",
           'if getattr(_thread, "not_waiting", False) and moment > clock.now():', "if False:",
           f"{VIRTUAL}::test_held_creates_are_answered_each_in_its_time_and_sent_once"),
    Mutant("a held create is created again when it is asked for again", "emulator/routes/creating.py",
           "        later.again = partial(_held, incoming, prediction, preference, until)\n", "",
           f"{VIRTUAL}::test_held_creates_are_answered_each_in_its_time_and_sent_once"),
)  # fmt: skip
