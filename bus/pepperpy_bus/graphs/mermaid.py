"""Graphs as Mermaid diagrams, which Markdown pages and wikis draw."""

from typing import Final

from pepperpy_bus.graphs.picture import Picture

_STYLES: Final = {
    "running": "fill:#cfe8ff,stroke:#1b6ec2",
    "completed": "fill:#d5f5dc,stroke:#2f8f46",
    "failed": "fill:#ffd9d6,stroke:#c0392b",
    "skipped": "fill:#eeeeee,stroke:#999999",
    "compensated": "fill:#fff0c9,stroke:#b7860b",
}


def mermaid(picture: Picture) -> str:
    """Returns the diagram of a graph, its nodes coloured by their states."""
    # Numbers, because a node may have the name of a word of the language, such as `end`.
    numbers = {name: f"n{number}" for number, name in enumerate(picture.nodes)}
    lines = ["flowchart LR"]
    for name, node in picture.nodes.items():
        second = f"<br/>{node.topic}" if node.topic and node.topic != name else ""
        style = f":::{node.state}" if node.state in _STYLES else ""
        lines.append(f'  {numbers[name]}["{name}{second}"]{style}')
    lines += [
        f"  {numbers[needed]} --> {numbers[name]}"
        for name, node in picture.nodes.items()
        for needed in node.needs
        if needed in numbers
    ]
    used = {node.state for node in picture.nodes.values()}
    lines += [f"  classDef {state} {style}" for state, style in _STYLES.items() if state in used]
    return "\n".join(lines) + "\n"
