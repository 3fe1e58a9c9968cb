"""Whether the topics of a plan exist and take what they are given, as far as that is known.

What other tasks will return is not there yet; of that the declared types are compared.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pepperpy_bus.graphs.references import Reference, read_reference, read_template
from pepperpy_capabilities.planning.tasks.binding import Bound
from pepperpy_capabilities.planning.tasks.draft import Draft, Drafted
from pepperpy_capabilities.planning.tasks.topics import Topics
from pepperpy_schemas.codec import encode, field_path
from pepperpy_schemas.errors import BadPayload, BadProblem, UnknownTopic
from pepperpy_schemas.schema_check import schema_check
from pepperpy_schemas.task_plans import TopicShape

Path = tuple[str | int, ...]

_CHOICES: Final = ("anyOf", "oneOf", "not", "if")
_BROADER: Final = {"integer": {"integer", "number"}}


def check(draft: Draft, topics: Topics, allowed: Sequence[str] = ()) -> None:
    """Checks the tasks of a plan.

    Args:
        draft: The plan.
        topics: What is known of topics.
        allowed: The only ones that may be used; all when empty.

    Raises:
        UnknownTopic: A topic is known to nobody; ``context.field`` is the place.
        BadProblem: One is given what it does not take: ``context.task`` is the node,
            ``context.field`` the place.
    """
    validators: dict[str, Any] = {}  # each schema is made ready once: that may take a second
    for name, task in draft.tasks.items():
        if allowed and task.topic not in allowed:
            raise _unknown(task, "is none that this plan may use", allowed)
        if task.topic not in topics:
            raise _unknown(
                task, "is known to nobody, and no method is declared for it", list(topics)
            )
        shape = topics[task.topic]
        if shape.input:
            if task.topic not in validators:
                validators[task.topic] = _validator(shape)
            _check_input(name, task, validators[task.topic])
        _check_references(name, task, draft, topics)


def _unknown(task: Drafted, fact: str, there: Sequence[str]) -> UnknownTopic:
    close = difflib.get_close_matches(task.topic, there, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "start a worker for it, or declare it"
    place = f"{task.where}.task"
    return UnknownTopic(
        f"{place}: topic {task.topic!r:.80} {fact}",
        hint=hint,
        context={"field": place, "topic": task.topic},
    )


def _validator(shape: TopicShape) -> Any:
    import jsonschema_rs

    try:
        schema_check(encode(shape.input), f"the input of {shape.topic}")
    except BadPayload as error:
        raise BadProblem(str(error), hint=error.hint, context={"topic": shape.topic}) from None
    return jsonschema_rs.validator_for(shape.input, offline=True)


def _check_input(name: str, task: Drafted, validator: Any) -> None:
    place = f"{task.where}.input"
    holes = dict(_holes(task.input, ()))
    value = _plain(task.input)
    for wrong in validator.iter_errors(value):
        path: Path = tuple(wrong.instance_path)
        if any(_excused(path, wrong.kind.name, hole) for hole in holes):
            continue
        missing = getattr(wrong.kind, "property", None) if wrong.kind.name == "required" else None
        where = place + field_path([*path, *([missing] if missing else [])])[1:]
        fact = "is missing" if missing else wrong.message
        raise BadProblem(
            f"{where}: {fact:.300} (task {name} of topic {task.topic})",
            hint=f"show what it takes with: pepperpy schema show {task.topic}",
            context={"field": where, "task": name, "topic": task.topic},
        )


def _excused(path: Path, kind: str, hole: Path) -> bool:
    """Whether an error may be there only because a value is not known yet."""
    if path[: len(hole)] == hole:
        return True
    return kind in _CHOICES and hole[: len(path)] == path


def _check_references(name: str, task: Drafted, draft: Draft, topics: Topics) -> None:
    wanted = topics[task.topic].input
    for path, reference in _holes(task.input, ()):
        place = f"{task.where}.input{field_path(path)[1:]}"
        source = draft.tasks.get(reference.root)
        if source is None or source.topic not in topics:
            continue
        output = topics[source.topic].output
        given = _given(output, reference, place, name, source.topic)
        target = _at(wanted, wanted, path)
        if clash := _clash(given, target):
            raise BadProblem(
                f"{place}: {reference.text} is {clash[0]}, {task.topic} takes {clash[1]} there",
                hint=f"compare: pepperpy schema show {source.topic} {task.topic}",
                context={"field": place, "task": name, "reference": reference.text},
            )


def _given(
    output: Mapping[str, Any], reference: Reference, place: str, name: str, topic: str
) -> Mapping[str, Any]:
    """The schema of what a reference stands for; an empty one where it does not say."""
    found: Mapping[str, Any] = _resolved(output, output)
    for step in reference.steps[1:]:
        properties = found.get("properties", {})
        closed = properties and "additionalProperties" not in found and isinstance(step, str)
        if closed and step not in properties:
            there = ", ".join(sorted(properties))
            raise BadProblem(
                f"{place}: {reference.text} leads to nothing: what {topic} returns has no {step!r}",
                hint=f"there is {there:.500}",
                context={"field": place, "task": name, "reference": reference.text},
            )
        found = _at(found, output, (step,) if isinstance(step, str | int) else (0,))
    return found


def _at(schema: Mapping[str, Any], root: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    found = _resolved(schema, root)
    for step in path:
        if isinstance(step, int):
            found = _resolved(found.get("items", {}), root)
        else:
            found = _resolved(found.get("properties", {}).get(step, {}), root)
    return found


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(10):  # references may refer to each other in a circle
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" not in schema:
            return schema
        schema = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
    return {}


def _clash(given: Mapping[str, Any], target: Mapping[str, Any]) -> tuple[str, str] | None:
    one, other = given.get("type"), target.get("type")
    if not isinstance(one, str) or not isinstance(other, str):
        return None
    return None if other in _BROADER.get(one, {one}) else (one, other)


def _holes(value: Bound, path: Path) -> Iterator[tuple[Path, Reference]]:
    """The places of what is not known yet."""
    match value:
        case {"$ref": str(text), **more} if not more:
            yield path, read_reference(text)
        case dict():
            for key, one in value.items():
                yield from _holes(one, (*path, key))
        case list():
            for at, one in enumerate(value):
                yield from _holes(one, (*path, at))


def _plain(value: Bound) -> Any:
    """A value with null where it is not known yet: so references to what did not end are read."""
    template = read_template(value)
    waiting = {"state": "waiting", "result": None}
    return template.fill({one.root: waiting for one in template.references})
