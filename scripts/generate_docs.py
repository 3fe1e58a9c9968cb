#!/usr/bin/env python3
"""Writes the reference pages that say what the code says; ``--check`` finds stale ones."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pepperpy_bus.config.known import known_settings, sections
from pepperpy_bus.config.migrations import CONFIG_VERSION, MIGRATIONS
from pepperpy_bus.config.setting import Known
from pepperpy_bus.trust.principals import ANONYMOUS, DEFAULT_INBOX, ROLES, Role
from pepperpy_bus.trust.roles import SERVES, permissions
from pepperpy_bus.units import DURATION_EXAMPLES, SIZE_EXAMPLES, format_duration
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.headerdocs import header_docs
from pepperpy_schemas.states import TaskState

ROOT = Path(__file__).resolve().parent.parent
NOTICE = "<!-- Written by scripts/generate_docs.py from the code: change that, not this. -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or says with ``--check`` which are stale; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's directory")
    options = parser.parse_args(arguments)
    texts = {options.root / page: f"{NOTICE}\n\n{write()}" for page, write in PAGES.items()}
    stale = [p for p, text in texts.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        print(path.relative_to(options.root))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], "utf-8")
    return int(options.check and bool(stale))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; what Markdown or HTML would take for its own is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def errors_page() -> str:
    """Returns the table of every error code."""
    rows = [
        (f"`{e.code}`", e.category, "yes" if e.retryable else "no", _meaning(e), e.hint or "")
        for e in error_types()
    ]
    return f"""# Errors

Every error has a stable code that travels on the wire: in the `error` of a result, in the reply of
a service, in a dead letter. The category says whose it is to mend: `input` the caller's, `task`
the handler's, `control` somebody decided so, `bus` broker or network, `config` the operator's.
Retryable: the same request can succeed later. An unknown code is kept as it came.

{table(("Code", "Category", "Retryable", "Meaning", "What to do"), rows)}"""


def wire_page() -> str:
    """Returns the tables of subjects, states and headers."""
    subjects = [
        (f"`{s.template}`", s.name, f"`PP_{s.stream}`" if s.stream else "", s.doc) for s in CATALOG
    ]
    states = [(f"`{s}`", f"`{s.verb}`", "yes" if s.terminal else "no") for s in TaskState]
    return f"""# The wire

Bodies are plain UTF-8 JSON, every header is optional. `{{p}}` is the deployment's prefix, `pp` by
default; names and ids are 1 to 64 characters of `A-Z a-z 0-9 _ -`. The same as an AsyncAPI 3
document: `pepperpy schema asyncapi`; as JSON Schemas: `pepperpy schema export`.

## Subjects

{table(("Subject", "Message", "Stream", "Meaning"), subjects)}
## Task states

{table(("State", "Verb of its event", "Terminal"), states)}
## Headers of tasks and requests

{_headers("task")}
## Headers of results

{_headers("result")}
## Headers of the server

{_headers("server")}
## Headers of the HTTP edge

Beside those of tasks, on requests alone; no message has them.

{_headers("http")}
A message may be a CloudEvent 1.0: with `ce-*` headers its body is the payload; with
`Content-Type: application/cloudevents+json` the payload is its `data` or `data_base64`.
"""


def settings_page() -> str:
    """Returns the tables of settings, one per section, and the versions of the file."""
    parts = "\n".join(
        f"## {section}\n\n{(model.__doc__ or '').strip()}\n\n{_settings(section)}"
        for section, model in sections().items()
    )
    steps = [
        (f"{number} → {number + 1}", (step.__doc__ or "").strip())
        for number, step in enumerate(MIGRATIONS)
    ]
    return f"""# Settings

Each setting has a name `section.key`. Where it is set more than once, the stronger place wins; from
weak to strong:

1. its default
2. the file: `pepperpy.toml`, or `[tool.pepperpy]` of `pyproject.toml`, in the current folder or the
   nearest one above it; or the one named by `--config` or `PEPPERPY_CONFIG`
3. the context named by `--context` or `PEPPERPY_CONTEXT`:
   `~/.config/pepperpy/contexts/NAME.toml`, else `[contexts.NAME]` of the file
4. the environment: `PEPPERPY_<SECTION>_<KEY>`; an empty variable counts as unset
5. flags

Durations are written like {DURATION_EXAMPLES}. Sizes are written like {SIZE_EXAMPLES}.
Relative paths in a file start at its folder.

Every secret may come from a file instead: `password_file = "…"` or `PEPPERPY_NATS_PASSWORD_FILE`. A
secret file that all users of the machine can read is refused, except below `/run/secrets`, where
compose and Kubernetes mount them.

A name that does not exist is refused, with the nearest one that does. `pepperpy config show
--origin` prints what is in force and where each value is from; `pepperpy config check` names what
is wrong. Variables `PEPPERPY_…` of no section here (your own, or those that Kubernetes adds for
services) are ignored, the former with a warning.

A running process takes over new values of *reloadable* settings on SIGHUP; changes of others are
named in its log and wait for a restart.

{parts}
## Versions of the file

`config_version = {CONFIG_VERSION}` at the top of a file names the version of its keys; a file
without it has version 0. Older files are read as they are, with a warning where a key was renamed;
`pepperpy config migrate` rewrites them, comments kept. A file that is newer than the release is
refused.

{table(("Step", "Change"), steps)}"""


def roles_page() -> str:
    """Returns what each role may do, by verb and subject."""
    parts = "\n".join(
        f"## {role}\n\n{_serves(role)}{_subjects('Publish', granted.publish)}\n"
        f"{_withheld(granted.withheld)}"
        f"{_subjects('Subscribe', granted.subscribe)}"
        for role in ROLES
        for granted in [permissions(role)]
    )
    return f"""# Roles

Each process logs in as one role, and the broker lets it publish and subscribe what is listed here
and nothing else. `pepperpy up` and `compose.yaml` make one user for each role; replies come under
`_INBOX_<role>.`, which nobody else may subscribe. The last token of a service request
(`pp.svc.<service>.<op>.<principal>`) is therefore the caller's true name.

In the local stack a client on loopback without credentials is `{ANONYMOUS}`: a producer whose
replies come under `{DEFAULT_INBOX}.`. Compose and production have no such user.

The same for another prefix, or as JSON: `pepperpy --prefix WORD bus roles [--role NAME] [--json]`.
Where `pepperpy doctor` says that a user may do less than its role, give it what is listed here.

{parts}"""


def _serves(role: Role) -> str:
    services = ", ".join(f"`{one}`" for one in SERVES.get(role, ()))
    return f"Alone offers the services {services}.\n\n" if services else ""


def _withheld(patterns: Sequence[str]) -> str:
    return f"{_subjects('Not publish', patterns)}\n" if patterns else ""


def _subjects(verb: str, patterns: Sequence[str]) -> str:
    return table((verb,), [(f"`{one}`",) for one in patterns])


def metrics_page() -> str:
    """Returns the table of every metric."""
    from pepperpy_monitor_svc.metrics.bounds import LENGTH, SERIES, VALUES
    from pepperpy_monitor_svc.metrics.names import METRICS, OTHER, Metric

    def group(metric: Metric) -> str:
        return ".".join(metric.name.split(".")[: 2 if metric.name.startswith("pepperpy.") else 1])

    names = list(dict.fromkeys(map(group, METRICS.values())))
    parts = "\n".join(
        f"## {name}\n\n{_metrics([one for one in METRICS.values() if group(one) == name])}"
        for name in names
    )
    buckets: dict[tuple[float, ...], list[str]] = {}
    for metric in METRICS.values():
        if metric.buckets:
            buckets.setdefault(metric.buckets, []).append(f"`{metric.name}`")
    bounds = [(", ".join(of), ", ".join(f"{b:.12g}" for b in bs)) for bs, of in buckets.items()]
    return f"""# Metrics

What the monitor shows at `/metrics` for Prometheus and sends over OTLP; [how to get
them](../how-to/metrics.md). The first name is OpenTelemetry's, the one below it Prometheus'; dots
in names of labels are `_` there. `messaging.*` and `gen_ai.*` are OpenTelemetry's semantic
conventions. Counters begin at 0 with each start of the monitor; gauges are what was found last.

A label says a topic, an agent, a code, never an id or a subject: the ids of a subject stay in
braces. Of one label {VALUES} different values are kept apart, of one metric {SERIES} series, and
of a value {LENGTH} characters; what is more counts as `{OTHER}`, and
`pepperpy.monitor.labels_overflowed` counts how often.

{parts}
## Buckets

Upper bounds, in the unit of the metric; the last bucket has none.

{table(("Histogram", "Bounds"), bounds)}"""


def _metrics(metrics: Sequence[Any]) -> str:
    rows = [
        (
            f"`{one.name}`<br>`{one.prometheus}`",
            one.kind,
            f"`{one.unit}`",
            ", ".join(f"`{label}`" for label in one.labels),
            one.description,
        )
        for one in metrics
    ]
    return table(("Metric", "Kind", "Unit", "Labels", "Meaning"), rows)


def cli_page() -> str:
    """Returns every command with its arguments and options."""
    from pepperpy.__main__ import COMMANDS, load_command, overview

    top = overview()
    context = top.make_context("pepperpy", [], resilient_parsing=True)
    groups: dict[str, list[str]] = {}
    for name, entry in COMMANDS.items():
        section = _command(name, load_command(name), context)
        groups.setdefault(entry.group, []).append(section)
    commands = "\n".join(
        "\n".join((f"## {group}\n", *sections)) for group, sections in groups.items()
    )
    return f"""# The command line

`pepperpy [OPTIONS] COMMAND …`. Data goes to stdout, talk to stderr. Where people see a table,
`--json` prints the same as one JSON document; what streams prints one JSON object a line, and does
so by itself in a pipe. The options of all commands stand before the command:

{_parameters(top, context)}
Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 the broker is unreachable, 124 timed out, 130 ended by
Ctrl-C.

{commands.rstrip()}
"""


def _command(name: str, command: Any, parent: Any) -> str:
    """A command's section; a group's has one for each of its commands."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    about = (command.help or "").strip()
    title = f"### {context.command_path.replace('pepperpy ', '', 1)}\n\n{about}\n"
    inner = "\n".join(_command(n, c, context) for n, c in getattr(command, "commands", {}).items())
    rows = _parameters(command, context)
    return "\n".join(part for part in (title, rows, inner) if part)


def _parameters(command: Any, context: Any) -> str:
    records = [one.get_help_record(context) for one in command.params]
    rows = [(f"`{name}`", about) for name, about in filter(None, records)]
    return table(("Argument or option", "Meaning"), rows) if rows else ""


def _settings(section: str) -> str:
    rows = [
        (f"`{key}`", f"`{one.default}`" if one.default else "", _about(one), f"`{one.variable}`")
        for one in known_settings().values()
        for inner, _, key in [one.name.partition(".")]
        if inner == section
    ]
    return table(("Key", "Default", "Meaning", "Environment"), rows)


def _about(one: Known) -> str:
    told = all(f"`{word}`" in one.meaning for word in one.choices)
    words = "" if told else f" One of {', '.join(f'`{word}`' for word in one.choices)}."
    return f"{one.meaning}{words}{' *Reloadable.*' if one.reloadable else ''}"


def _headers(on: str) -> str:
    return table(
        ("Header", "Meaning"), [(f"`{h.name}`", h.doc) for h in header_docs() if h.on == on]
    )


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("``", "`")
    return text if "`" in text else text.replace("<", "&lt;")


def _meaning(of: type[object]) -> str:
    return (of.__doc__ or "").partition("\n")[0]


def alert_rules_page() -> str:
    """Returns the alert rules that are shipped, and the keys of rules."""
    from pepperpy_monitor_svc.alerts.declared import RULES, Condition, Measured, Rule
    from pepperpy_monitor_svc.alerts.reading import read_rules

    shipped = read_rules(None)
    rules = "\n".join(_alert_rule(one) for one in shipped.rules.values())
    kinds = "\n".join(
        f"### {kind}\n\n{_meaning(model)}\n\n{_keys_of(model, Measured, Rule)}"
        for kind, model in RULES.items()
    )
    needless = [
        (", ".join(one.source.written()), ", ".join(one.target.written()), ", ".join(one.equal))
        for one in shipped.inhibitions
    ]
    return f"""# Alert rules

{len(shipped.rules)} rules are in the box. [Alerts](../how-to/alerts.md) says how to change them, to
add your own and to be told. Each is evaluated by the monitor, and written for Prometheus by
`pepperpy alerts export`: a test has both fire and end it on the same series at the same times.

{rules}
## What makes what needless

While an alert of the left fires, nobody is told of those of the right that have the same labels.

{table(("While this fires", "nobody is told of", "with the same"), needless)}
## The keys of a rule

Durations are whole seconds, written like 30s, 5m, 1h30m or 2d. A label in `where` is compared with
a text, with one of a list of texts, or with `{{not: …}}`; `*` stands for any characters.

### every kind

{_keys_of(Rule)}
### threshold, rate and ratio

{_keys_of(Measured, Rule)}
{kinds}
### a condition of `when` or `unless`

{_keys_of(Condition)}"""


def _alert_rule(ready: Any) -> str:
    rule = ready.rule
    held = f", for {format_duration(rule.for_)}" if rule.for_ else ""
    later = f", {format_duration(rule.keep_firing_for)} longer" if rule.keep_firing_for else ""
    says = f"*{_cell(rule.summary)}* {_cell(rule.description)}"
    return f"""### {rule.name}

{rule.severity}{held}{later}

{says}

```text
{ready.condition.promql()}
```
"""


def _keys_of(model: Any, *bases: Any) -> str:
    """The keys of a part of the file, without those that it shares with others."""
    above = [base for base in bases if base is not model and issubclass(model, base)]
    shared = {name for base in above for name in base.model_fields}
    rows = [
        (
            f"`{field.alias or name}`",
            "needed" if field.is_required() else "",
            field.description or _KEYS.get(name, ""),
        )
        for name, field in model.model_fields.items()
        if name not in shared
    ]
    return table(("Key", "", "Meaning"), rows)


_KEYS = {
    "name": "Its name: letters, digits, `_`.",
    "kind": "The kind.",
    "severity": "`info`, `warning` or `critical`.",
    "metric": "The metric, as [Prometheus names it](metrics.md).",
    "where": "Which of its series.",
    "aggregate": "What is made of several series: `sum`, `max`, `min`, `avg` or `count`.",
    "within": "The longest time between the events.",
    "sequence": "Patterns of events that come in this order.",
    "all_of": "Patterns of events that come in any order.",
    "repeated": "A pattern that comes `times` times.",
    "times": "How often.",
    "after": "A pattern that is not followed by `missing`.",
    "missing": "The pattern that does not come in time.",
}
"""Meanings of keys that explain themselves in the code."""


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/errors.md": errors_page,
    "docs/reference/wire.md": wire_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/settings.md": settings_page,
    "docs/reference/roles.md": roles_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/alert-rules.md": alert_rules_page,
}
"""Every generated page and the function that writes it."""


if __name__ == "__main__":
    sys.exit(main())
