import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pepperpy_bus.config import Settings, load
from pepperpy_bus.options import connection_options, limits_of
from pepperpy_bus.trust.principals import ROLES, inbox_prefix
from pepperpy_schemas.errors import BadConfig
from tests.requirements import missing


def settings(**flags: Any) -> Settings:
    given = {name.replace("__", "."): value for name, value in flags.items()}
    return load(flags=given, environ={}, cwd=Path("/")).settings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("there is no openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_the_settings_are_handed_on() -> None:
    options = connection_options(
        settings(
            nats__url="nats://a:1,nats://b:2",
            nats__name="me",
            nats__user="ana",
            nats__password="hush",
            nats__inbox_prefix="mine",
            nats__connect_timeout="2s",
        )
    )
    assert options.servers == ("nats://a:1", "nats://b:2")
    assert (options.name, options.user, options.password) == ("me", "ana", "hush")
    assert (options.inbox_prefix, options.connect_timeout) == ("mine", 2.0)
    assert (options.token, options.credentials, options.tls) == ("", "", None)


def test_a_name_and_patience_are_the_processs_own() -> None:
    options = connection_options(settings(), name="worker-7", patient=True)
    assert (options.name, options.connect_timeout) == ("worker-7", None)


def test_a_token_and_a_credentials_file_are_handed_on(tmp_path: Path) -> None:
    assert connection_options(settings(nats__token="t")).token == "t"
    creds = tmp_path / "me.creds"
    assert connection_options(settings(nats__credentials=creds)).credentials == str(creds)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gets_its_own_inbox_unless_another_is_set(role: str) -> None:
    given = settings(nats__user=role, nats__password="x")
    assert connection_options(given).inbox_prefix == inbox_prefix(role)
    given = settings(nats__user=role, nats__password="x", nats__inbox_prefix="mine")
    assert connection_options(given).inbox_prefix == "mine"


def test_who_is_no_role_has_the_usual_inbox() -> None:
    assert connection_options(settings()).inbox_prefix == "_INBOX"
    given = settings(nats__user="ana", nats__password="x")
    assert connection_options(given).inbox_prefix == "_INBOX"


def test_certificates_make_a_context_that_checks_the_broker(
    certificate: tuple[Path, Path],
) -> None:
    cert, key = certificate
    given = settings(nats__tls_ca=cert, nats__tls_cert=cert, nats__tls_key=key)
    tls = connection_options(given).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(tls.get_ca_certs()) == 1


def test_a_client_certificate_alone_trusts_the_machines_authorities(
    certificate: tuple[Path, Path],
) -> None:
    cert, key = certificate
    tls = connection_options(settings(nats__tls_cert=cert, nats__tls_key=key)).tls
    assert tls is not None
    assert tls.verify_mode == ssl.CERT_REQUIRED


def test_a_tls_file_that_is_missing_or_no_certificate_is_named(tmp_path: Path) -> None:
    missing, text = tmp_path / "missing.pem", tmp_path / "text.pem"
    text.write_text("hello")
    for file in (missing, text):
        with pytest.raises(BadConfig, match=rf"nats\.tls_\*: cannot use {file}"):
            connection_options(settings(nats__tls_ca=file))


def test_a_key_of_another_certificate_is_refused(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, _ = certificate
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(BadConfig, match=str(key)):
        connection_options(settings(nats__tls_cert=cert, nats__tls_key=key))


def test_the_limits_are_the_operators() -> None:
    limits = limits_of(settings(bus__replicas=3, bus__result_ttl="36h"))
    assert (limits.replicas, limits.result_days) == (3, 1.5)
