"""Agents as YAML files: read whole, or refused with the line of the slip."""

import textwrap
from collections import deque
from pathlib import Path

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.loading import load_agent
from pepperpy_agents.thinking import LLMAgent
from pepperpy_agents.thinking.files import read_agent
from pepperpy_agents.thinking.questions import read_question
from pepperpy_schemas.errors import BadConfig
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import says
from tests.provider_svc.asking import Planned
from tests.worker_processes import Start

RESEARCHER = """\
name: researcher
version: 1.0.0
topics: [research]
model: default
instructions: templates/researcher.md
tools: [memory.search, "http.get:docs.example.org", files.read:./papers]
memory: {namespace: papers, top_k: 8}
output: {answer: str, sources: [str]}
budget: {usd: 0.20, seconds: 300}
approve: [http.get]
"""
TEMPLATE = """\
---
variables: {question: str, tone: str}
---
Answer {{ question }} in a {{ tone }} tone.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "researcher.md").write_text("Answer from the papers.\n")
    (tmp_path / "papers").mkdir()
    return tmp_path


def write(folder: Path, text: str) -> str:
    (folder / "researcher.yaml").write_text(textwrap.dedent(text))
    return str(folder / "researcher.yaml")


def test_a_file_is_an_agent(folder: Path) -> None:
    agent = load_agent(write(folder, RESEARCHER))
    assert isinstance(agent, LLMAgent)
    assert (agent.name, agent.version, list(agent.tasks)) == ("researcher", "1.0.0", ["research"])
    mind = agent.mind
    assert [one.name for one in mind.toolbox] == ["memory.search", "http.get", "files.read"]
    assert mind.toolbox.grants.allow("http.get:docs.example.org")
    assert not mind.toolbox.grants.allow("http.get:example.org")
    # Relative to the file, wherever the worker is started.
    assert mind.toolbox.grants.allow(f"files.read:{folder}/papers/a.txt")
    assert mind.recall is not None
    assert (mind.recall.namespace, mind.recall.top_k) == ("papers", 8)
    assert (mind.limits.usd, mind.limits.seconds) == (0.2, 300)
    assert mind.form.asked is not None
    assert mind.form.asked.schema == {
        "type": "object",
        "properties": {
            "answer": {"type": "string"},
            "sources": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["answer", "sources"],
        "additionalProperties": False,
    }
    assert mind.approval.covers("http.get")
    assert not mind.approval.covers("files.read")


async def test_it_answers_with_a_template_and_a_schema_of_json(
    client: Client, working: Working, model: Planned, folder: Path
) -> None:
    (folder / "templates" / "researcher.md").write_text(TEMPLATE)
    agent = load_agent(
        write(
            folder,
            """\
            name: researcher
            instructions: templates/researcher.md
            variables: {tone: dry}
            sessions: {tokens: 500}
            options: {temperature: 0.5, max_tokens: 99}
            output: {type: object, properties: {answer: {type: string}}, required: [answer]}
            """,
        )
    )
    model.plan = deque([says('{"answer":"They do."}')])
    async with working(agent):
        answer = await client.run("researcher", "Do otters swim?", wait="20s")
    assert answer == {"answer": "They do."}
    request = model.asked[0][1]
    assert request.messages[0].text.startswith("Answer Do otters swim? in a dry tone.")
    assert (request.temperature, request.max_tokens) == (0.5, 99)


def test_short_forms_are_the_long_ones(folder: Path) -> None:
    text = "name: x\ninstructions: y\nmemory: papers\nhandoffs: [billing, {topic: legal}]\n"
    mind = read_agent(text, folder=folder).mind
    assert mind.recall is not None
    assert (mind.recall.namespace, mind.recall.top_k) == ("papers", 8)
    assert [one.topic for one in mind.handoffs] == ["billing", "legal"]


def test_a_worker_runs_it(folder: Path, workers: Start, broker: Broker) -> None:
    write(folder, "name: researcher\ninstructions: Answer.\ntools: [calculator]\n")
    worker = workers(broker.url, "researcher.yaml")
    assert '"agent": "researcher"' in worker.log or '"agent":"researcher"' in worker.log


def test_a_worker_refuses_a_wrong_one_with_its_line(
    folder: Path, workers: Start, broker: Broker
) -> None:
    write(folder, "name: researcher\ninstructions: Answer.\ntool: [calculator]\n")
    worker = workers(broker.url, "researcher.yaml", ready=False)
    assert worker.ended() == 1
    assert "researcher.yaml:3: tool: there is no such key, did you mean tools?" in worker.log


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("budget:", "bugdet:", 9, "bugdet: there is no such key, did you mean budget?"),
        ("usd: 0.20", "dollars: 0.20", 9, "budget.dollars: there is no such key; there is turns"),
        ("top_k: 8", "top_k: 0", 7, "memory.top_k: 0: input should be greater than or equal to 1"),
        ("top_k: 8", "topk: 8", 7, "memory.topk: there is no such key, did you mean top_k?"),
        ("name: researcher\n", "", 1, "name: is missing"),
        ("1.0.0", "one", 2, "version 'one' is not a semantic version"),
        ("research]", "re search]", 3, "topic 're search' is not a valid name"),
        ("researcher.md", "writer.md", 5, "there is no file templates/writer.md"),
        ("memory.search,", "memory.serach,", 6, "there is no tool 'memory.serach'"),
        ("files.read:./papers", '"files.read:"', 6, "'files.read:' is no scope"),
        ("model: default", "variables: {tone: dry}", 4, "take no variables: tone"),
        ("[str]", "[text]", 8, "output.sources[0] = 'text' is no form of an answer"),
        ("answer: str", "answer: []", 8, "output.answer = [] is no form of an answer"),
        ("[http.get]", "[http.post]", 10, "there is no tool 'http.post'"),
        ("[http.get]", "http.get", 10, "approve: 'http.get': input should be a valid list"),
        ("seconds: 300", "seconds: soon", 9, "budget.seconds: 'soon'"),
        ("model: default", "model: [a", 5, ""),
        ("model: default", "name: other", 1, "'name' is there twice: in lines 1 and 4"),
        ("approve: [http.get]", "sessions: {keeps: 3}", 10, "sessions"),
        ("approve: [http.get]", "approve_within: 2d", 1, "approve_within needs approve"),
        ("approve: [http.get]", "timeout: soon", 10, "timeout: 'soon'"),
    ],
)
def test_a_slip_is_told_with_its_line(
    folder: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in RESEARCHER
    path = write(folder, RESEARCHER.replace(old, new, 1))
    with pytest.raises(BadConfig) as refused:
        load_agent(path)
    assert str(refused.value).startswith(f"{path}:{line}: "), str(refused.value)
    assert words in str(refused.value)


def test_instructions_may_be_a_template_by_jinjas_own_ending(folder: Path) -> None:
    head = "---\nvariables: {tone: str}\n---\n"
    (folder / "templates" / "researcher.j2").write_text(f"{head}Be {{{{ tone }}}}.")
    declared = RESEARCHER.replace("researcher.md", "researcher.j2\nvariables: {tone: dry}")
    agent = read_agent(declared, folder=folder)
    assert agent.mind.instructions.render(read_question("?")) == "Be dry."


def test_instructions_that_are_no_text_are_told_with_their_line(folder: Path) -> None:
    (folder / "templates" / "researcher.md").write_bytes(b"caf\xe9")
    with pytest.raises(BadConfig, match=r"agent:5: .*researcher\.md cannot be read"):
        read_agent(RESEARCHER, folder=folder)


def test_a_template_that_is_wrong_is_told_before_the_first_task(folder: Path) -> None:
    (folder / "templates" / "researcher.md").write_text("Answer\n{{ question }}.\n")
    with pytest.raises(BadConfig) as refused:
        load_agent(write(folder, RESEARCHER))
    told = str(refused.value)
    assert told.startswith(f"{folder}/researcher.yaml:5: {folder}/templates/researcher.md:2: ")
    assert "question is not declared" in told


def test_all_slips_are_told_at_once() -> None:
    text = "name: x\ninstructions: y\ntool: []\nbudget: {turns: 0}\n"
    with pytest.raises(BadConfig) as refused:
        read_agent(text, origin="x.yaml")
    first, second = str(refused.value).splitlines()
    assert first.startswith("x.yaml:3: tool: ")
    assert second.startswith("x.yaml:4: budget.turns: ")


@pytest.mark.parametrize("text", ["", "[]", "x", "\x00", "a: &a [*a]"])
def test_what_is_no_agent_at_all_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match=r"x\.yaml"):
        read_agent(text, origin="x.yaml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"nobody\.yaml cannot be read"):
        load_agent(str(tmp_path / "nobody.yaml"))
