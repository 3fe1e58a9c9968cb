"""Which addresses belong to everybody, and what a URL names."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_agents.tools.builtin.addresses import not_public, parse, read_url, resource
from pepperpy_schemas.errors import BadArguments

PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700:4700::1111",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.0.1",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "100::1",
    "5f00::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_everybodys(address: str) -> None:
    assert not_public(parse(address)) is None


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not(address: str) -> None:
    assert not_public(parse(address))


@given(st.ip_addresses(v=4))
@settings(max_examples=300)
def test_an_address_within_ipv6_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    inside = int(address)
    forms = [
        ipaddress.IPv6Address((0xFFFF << 32) | inside),
        ipaddress.IPv6Address((0x0064FF9B << 96) | inside),
        ipaddress.IPv6Address((0x2002 << 112) | (inside << 80)),
    ]
    assert {bool(not_public(form)) for form in forms} == {bool(not_public(address))}
    # Python's own list is another's judgement of the same.
    if not address.is_global:
        assert not_public(address)


URLS = {
    "http://example.org": ("example.org", "http://example.org/"),
    "HTTP://EXAMPLE.org./a%2Fb?q=1#x": ("example.org", "http://example.org/a%2Fb?q=1"),
    "https://example.org:443/": ("example.org", "https://example.org/"),
    "https://example.org:8443/ä": ("example.org:8443", "https://example.org:8443/%C3%A4"),
    "http://[::1]:8080/": ("[::1]:8080", "http://[::1]:8080/"),
    "http://2130706433/": ("2130706433", "http://2130706433/"),
}


@pytest.mark.parametrize(("url", "names"), URLS.items(), ids=URLS)
def test_what_a_url_names(url: str, names: tuple[str, str]) -> None:
    target = read_url(url)
    assert (target.resource, target.url) == names


NO_URLS = [
    "",
    "example.org",
    "//example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "ftp://example.org/",
    "javascript:alert(1)",
    "http://",
    "http:///path",
    "http://user@example.org/",
    "http://user:pass@example.org/",
    "http://allowed.org@evil.org/",
    "http://allowed.org\\@evil.org/",
    "http://allowed.org%2f@evil.org/",
    "http://exa mple.org/",
    "http://example.org/\r\nX: y",
    "http://example.org\t/",
    "http://example.org:99999/",
    "http://example.org:0/",
    "http://example.org:x/",
    "http://exämple.org/",
    "http://127。0。0。1/",
    "http://[::1/",
    "http://[::1%25eth0]/",
    "http://[v1.x]/",
    "http://a..b/",
    "http://*.example.org/",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(BadArguments):
        read_url(url)


def test_a_port_is_named_unless_it_is_the_schemes() -> None:
    assert [resource("a.org", port) for port in (80, 443, 8080)] == ["a.org", "a.org", "a.org:8080"]
