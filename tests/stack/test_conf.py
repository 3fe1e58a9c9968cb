import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy.stack.broker import find_server
from pepperpy.stack.conf import (
    Login,
    ServerConf,
    new_password,
    quoted,
    render,
    render_authorization,
    role_logins,
)
from pepperpy_bus.trust.grants import Permissions
from pepperpy_bus.trust.principals import ANONYMOUS, ROLES


def conf(**changes: object) -> ServerConf:
    plain = ServerConf(server_name="n1", store_dir=Path("/data"), port=4222)
    return msgspec.structs.replace(plain, **changes)


def accepted(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Ask the real server whether it takes this configuration."""
    file = folder / "nats.conf"
    file.write_text(text)
    command = [str(find_server()), "-t", "-c", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


def test_the_plain_configuration_reads_well() -> None:
    assert render(conf()) == (
        'server_name: "n1"\n'
        'host: "127.0.0.1"\n'
        "port: 4222\n"
        "max_payload: 1048576\n"
        "max_connections: 4096\n"
        "max_control_line: 4096\n"
        "jetstream {\n"
        '  store_dir: "/data"\n'
        '  sync_interval: "100ms"\n'
        "}\n"
    )


def test_equal_data_gives_equal_text() -> None:
    passwords = dict.fromkeys(ROLES, "secret")
    one, two = (render(conf(logins=role_logins(passwords))) for _ in range(2))
    assert one == two


def test_strict_durability_syncs_every_write() -> None:
    assert 'sync_interval: "always"' in render(conf(durability="strict"))


def test_the_server_takes_a_configuration_with_everything_set(tmp_path: Path) -> None:
    text = render(
        conf(
            monitor_port=8222,
            ports_file_dir=tmp_path,
            durability="strict",
            max_file_store=1 << 30,
            logins=role_logins(anonymous=True),
            anonymous=ANONYMOUS,
        )
    )
    checked = accepted(tmp_path, text)
    assert checked.returncode == 0, checked.stderr


def test_the_users_may_come_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "users.conf").write_text(render_authorization(role_logins()))
    text = render(conf(include="users.conf"))
    assert "password" not in text
    checked = accepted(tmp_path, text)
    assert checked.returncode == 0, checked.stderr

    (tmp_path / "users.conf").unlink()
    assert accepted(tmp_path, text).returncode != 0


def test_a_server_that_tells_of_traces_lets_every_sender_be_told_of(tmp_path: Path) -> None:
    logins = role_logins(anonymous=True)
    text = render(conf(logins=logins, anonymous=ANONYMOUS, hops="pp.hop"))
    assert 'msg_trace { dest: "pp.hop", sampling: 100 }' in text
    # It refuses a traced message of whoever may not publish there.
    assert text.count('          "pp.hop"\n') == len(logins)
    assert "pp.hop" not in render(conf(logins=logins, anonymous=ANONYMOUS))
    checked = accepted(tmp_path, text)
    assert checked.returncode == 0, checked.stderr


def test_there_is_one_login_per_role_and_the_anonymous_one_on_request() -> None:
    assert [login.user for login in role_logins()] == list(ROLES)
    assert [login.user for login in role_logins(anonymous=True)] == [*ROLES, ANONYMOUS]
    passwords = {login.password for login in role_logins(anonymous=True)}
    assert len(passwords) == len(ROLES) + 1
    assert all(login.permissions for login in role_logins(anonymous=True))


def test_an_anonymous_user_that_is_no_user_is_refused() -> None:
    with pytest.raises(ValueError, match=r"anonymous user 'ghost' is none of a, b"):
        render(
            conf(
                logins=(Login(user="a", password="x"), Login(user="b", password="x")),
                anonymous="ghost",
            )
        )


def test_nothing_allowed_is_written_as_everything_denied() -> None:
    text = render_authorization([Login(user="a", password="x", permissions=Permissions())])
    assert 'publish { deny: [">"] }' in text
    assert 'subscribe { deny: [">"] }' in text


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "\u202e", "tab\t"])
def test_text_that_the_parser_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not printable"):
        quoted(text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=40))
@settings(max_examples=200)
def test_no_value_escapes_its_quotes(text: str) -> None:
    try:
        literal = quoted(text)
    except ValueError:
        return
    inner = literal[1:-1].replace("\\\\", "").replace('\\"', "")
    assert literal[0] == literal[-1] == '"'
    assert '"' not in inner
    assert "\\" not in inner
    assert "\n" not in inner


def test_passwords_are_long_random_and_need_no_quoting() -> None:
    drawn = {new_password() for _ in range(100)}
    assert len(drawn) == 100
    assert all(len(p) == 43 and p.replace("-", "").replace("_", "").isalnum() for p in drawn)


def test_a_password_is_not_shown_by_repr() -> None:
    assert "hidden" not in repr(Login(user="a", password="hidden"))
