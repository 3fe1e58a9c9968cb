"""Puts the questions of faq.yaml into the memory, each in every language that it has.

The same again changes nothing but what was edited: the id of an entry is its question's.
"""

import asyncio
from pathlib import Path

import yaml

from pepperpy import Client, connect

FAQ = Path(__file__).with_name("faq.yaml")


async def load(bus: Client) -> int:
    """Puts all of them, and returns how many there are."""
    entries = [
        {
            "id": f"{name}-{lang}",
            "text": said["question"],
            "lang": lang,
            "metadata": {
                "faq": name,
                "answers": {other: one["answer"] for other, one in languages.items()},
            },
            "source": f"faq.yaml:{name}.{lang}",
        }
        for name, languages in yaml.safe_load(FAQ.read_text("utf-8")).items()
        for lang, said in languages.items()
    ]
    await bus.memory.within(namespace="faq").put_many(entries)
    return len(entries)


async def main() -> None:
    async with connect(source="faq") as bus:
        print(f"{await load(bus)} questions in the memory")


if __name__ == "__main__":
    asyncio.run(main())
