"""G3, the rules of it: the token goes to the API's own origin over https, and no internal address is requested."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.dialects.replicate import Replicate
from replicate_home.protocol import urls
from replicate_home.wire import Secret
from tests.lifecycle.lives import API, TOKEN

from ..hypothesis_profiles import examples

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared
LOCAL = "http://127.0.0.1:8000/v1"

OWN = [
    "https://api.replicate.com/v1/x", "https://api.replicate.com:443/v1", "https://API.REPLICATE.COM/v1",
    "HTTPS://api.replicate.com/",
]  # fmt: skip
FOREIGN = [
    "http://api.replicate.com/v1", "https://api.replicate.com:8443/", "https://api.replicate.com:0/",
    "https://api.replicate.com./v1", "https://api.replicate.com@evil.example/", "https://api.replicate.com.evil.example/",
    "https://evil.example/#@api.replicate.com", "https://evil.example\\@api.replicate.com/", "//evil.example/x",
    "https://stream.replicate.com/v1/files/x", "https://replicate.delivery/pbxt/x.png", "https://replicate.com/x",
    "https://user:pw@api.replicate.com/v1", "https://@api.replicate.com/v1", "https://xn--pi-replicate.com/",
    "https://api\u3002replicate\u3002com/", "https://[::ffff:127.0.0.1]/", "ftp://api.replicate.com/",
    "file:///etc/passwd", "data:text/plain,hi", "javascript:alert(1)", "https://api.replicate.com:x/", "https://[",
    " https://api.replicate.com/", "https://api.replicate.com/\n", "https://api.replicate.com\t/", "https:///v1",
    "https://api%2ereplicate.com/", "https:api.replicate.com/v1", "", "https://\uff41pi.replicate.com/",
]  # fmt: skip
INTERNAL = [
    "https://127.0.0.1/", "https://localhost/", "https://localhost./", "https://x.localhost/", "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::]/", "https://0.0.0.0/", "https://0/", "https://169.254.169.254/latest",
    "https://metadata.google.internal/", "https://metadata.google.internal./", "https://10.0.0.1/", "https://10.1/",
    "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://192.168.1.1./",
    "https://100.64.0.1/", "https://2130706433/", "https://0x7f.1/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://127.1/", "https://169.0376.169.254/", "https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/",
    "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://printer.local/", "https://intranet/", "https://224.0.0.1/",
    "https://127%2e0.0.1/", "https://%31%32%37.0.0.1/", "https://metadata.google.interna%6c/",
    "https://[::127.0.0.1]/", "https://[::7f00:1]/", "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b:1::1]/", "https://[2002:7f00:1::]/", "https://[2002:a9fe:a9fe::]/",
    "https://[2001:0:7f00:1::]/", "https://[fec0::1]/", "https://[::ffff:0:127.0.0.1]/", "https://[2001:db8::1]/",
    "https://nas.lan/", "https://router.home.arpa/", "https://wiki.intranet/", "https://git.corp/", "https://git.corp./",
    "https://255.255.255.255/", "https://1.2.3.4.5/", "https://300.1.1.1/", "http://example.com/", "ws://example.com/",
]  # fmt: skip
PUBLIC = [
    "https://replicate.delivery/x.png?a=b", "https://stream.replicate.com/v1/files/x", "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/", "https://example.com:8443/", "https://172.15.0.1/", "https://172.32.0.1/",
    "https://100.128.0.1/", "https://0x7f.example.com/", "https://10.example.com/", "https://xn--bcher-kva.example/",
    "https://example.com./",
]  # fmt: skip


@pytest.mark.reliability
def test_the_token_goes_to_the_apis_own_origin_over_https_and_nowhere_else():
    assert [url for url in OWN if not urls.carries_token(API, url)] == []
    assert [url for url in FOREIGN if urls.carries_token(API, url)] == []
    assert len(OWN) + len(FOREIGN) >= 23


@pytest.mark.reliability
def test_a_request_for_anything_else_has_neither_the_token_nor_the_users_headers():
    dialect = Replicate(token=Secret(TOKEN), headers={"X-Org": "secret"})
    for url in OWN:
        request = dialect.call("GET", url)
        assert request.token == Secret(TOKEN), url
        assert request.headers["X-Org"] == "secret"
    for url in [url for url in FOREIGN if not url.startswith("/")]:
        request = dialect.call("GET", url)
        assert request.token is None, url
        assert "X-Org" not in request.headers, url
    assert dialect.call("GET", "//evil.example/x").url == API + "//evil.example/x"
    assert dialect.call("GET", "/search?q=https://evil.example/").url == API + "/search?q=https://evil.example/"


@pytest.mark.parametrize(
    ("base_url", "url", "carries"),
    [
        (LOCAL, "http://127.0.0.1:8000/v1/x", True),
        (LOCAL, "http://127.0.0.1:8001/v1/x", False),
        (LOCAL, "http://localhost:8000/v1/x", False),
        ("http://localhost:8000/v1", "http://localhost:8000/", True),
        ("http://[::1]:8000/v1", "http://[::1]:8000/", True),
        ("http://api.corp.example/v1", "http://api.corp.example/v1/x", False),
        ("https://api.corp.example/v1", "https://api.corp.example/v1/x", True),
    ],
)
def test_in_the_clear_it_goes_to_this_machine_alone(base_url, url, carries):
    assert urls.carries_token(base_url, url) is carries


@pytest.mark.reliability
def test_what_looks_internal_is_not_requested():
    assert [url for url in INTERNAL if urls.is_safe(API, url)] == []
    assert [url for url in PUBLIC if not urls.is_safe(API, url)] == []


def test_an_api_on_this_machine_may_name_this_machine():
    assert urls.is_safe(LOCAL, "http://127.0.0.1:9000/file")
    assert urls.is_safe(LOCAL, "http://localhost:9000/file")
    assert not urls.is_safe(LOCAL, "http://10.0.0.1/")
    assert not urls.is_safe(API, "http://127.0.0.1:9000/file")


def test_an_api_inside_may_name_itself():
    assert urls.is_safe("http://10.0.0.5:8080/v1", "http://10.0.0.5:8080/files/1")


@pytest.mark.parametrize("base", ["http://10.0.0.5:8080", "http://cog:5000", "https://models.default.svc.cluster.local"])
@pytest.mark.parametrize("url", ["http://10.0.0.6:9000/x", "https://minio/x", "http://minio:9000/x", "http://s3.internal/x"])
def test_an_api_on_an_internal_network_may_name_its_neighbors(base, url):
    assert urls.is_safe(base, url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:22/x", "http://localhost/x", "http://169.254.169.254/x", "http://0x0a000005/x",
     "http://example.com/x", "ftp://minio/x"],
)  # fmt: skip
def test_it_may_not_name_this_machine_its_link_or_plain_http_elsewhere(url):
    assert not urls.is_safe("http://cog:5000", url)


@pytest.mark.reliability
@examples(500, 50_000)
@given(st.text(max_size=30) | st.from_regex(r"https?://[a-z0-9.:@\[\]%/\\]{1,20}", fullmatch=True))
def test_any_text_at_all_has_an_origin_or_none(text):
    for url in (text, "https://" + text):
        found = urls.origin(url)
        assert found is None or found[0] in ("http", "https")
        assert urls.is_safe(API, url) in (True, False)
        assert isinstance(urls.resolve(API, url), str)


@pytest.mark.parametrize(
    ("given_url", "base_url"),
    [
        ("https://api.replicate.com", API),
        ("https://api.replicate.com/", API),
        ("https://api.replicate.com/v1", API),
        ("https://api.replicate.com/v1/", API),
        ("http://127.0.0.1:8000", LOCAL),
        ("https://proxy.example/replicate", "https://proxy.example/replicate/v1"),
    ],
)
def test_a_base_url_is_given_with_or_without_its_version(given_url, base_url):
    assert urls.normalized(given_url) == base_url


@pytest.mark.parametrize(
    "given_url",
    ["", "api.replicate.com", "ftp://x/", "https://u:p@x.example/", "https://x.example/?a=1", "https://x.example/#a",
     "https://x.example/v1?", "https:// x/", "https://x.example:port/", "https://ex\u00e4mple.example/"],
)  # fmt: skip
def test_anything_else_is_an_error_that_says_what_is_expected(given_url):
    with pytest.raises(ValueError, match="base_url must"):
        urls.normalized(given_url)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v1/x", "https://api.replicate.com/v1/x"),
        ("x", "https://api.replicate.com/v1/x"),
        ("//elsewhere.example/", "https://elsewhere.example/"),
        ("https://elsewhere.example/", "https://elsewhere.example/"),
        ("http://[", ""),
    ],
)
def test_a_location_may_be_relative(location, url):
    assert urls.resolve(API + "/predictions", location) == url


@pytest.mark.reliability
def test_the_reference_table_of_origins():
    if not DATA:
        pytest.skip("REPLICATE_HOME_TEST_DATA does not name the folder with urls_credentials.json")
    table = json.loads((Path(DATA) / "urls_credentials.json").read_text("utf-8"))
    cases = 0
    for case in table["token_origin"]["cases"]:
        sends = urls.carries_token(API, urls.resolve(API, case["url"]))
        assert sends is (case["send_token"] is True), case
        cases += 1
    for case in table["requests_should_strip_auth"]["cases"]:
        # Stricter than there: any change of origin, and never in the clear.
        same = urls.origin(case["old"]) == urls.origin(case["new"]) and case["new"].startswith("https")
        assert urls.carries_token(case["old"], case["new"]) is same
        assert not (case["strip"] and urls.carries_token(case["old"], case["new"])), case
        cases += 1
    for url in table["ssrf_urls"]["urls"]:
        if url.startswith("http://"):
            assert not urls.is_safe(API, url), url
            assert not urls.is_safe(API, url.replace("http://", "https://")), url
            cases += 1
    assert cases >= 48
