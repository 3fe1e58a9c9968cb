"""HTTP: pages of the hosts that were granted.

The scope of a call is its host, ``http.get:example.org``, with the port where it is not 80 or 443.
An address that is not public is reached only where it was granted by itself,
``http.get:127.0.0.1:8080``: a grant of a name, or of all hosts, does not do.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.tools.builtin.addresses import read_url
from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.installing import install
from pepperpy_bus.units import Duration, parse_duration, parse_size
from pepperpy_schemas.errors import BadConfig, TooLarge

if TYPE_CHECKING:
    from pepperpy_agents.tools.builtin.fetching import Resolve

LONGEST_URL: Final = 4000
LARGEST_SENT: Final = 1024 * 1024
"""Bytes of a body that is posted."""


def http_tools(
    *,
    page: str | int = "48KiB",
    time_limit: Duration = "30s",
    redirects: int = 5,
    ratio: int = 200,
    resolve: "Resolve | None" = None,
) -> tuple[Tool, ...]:
    """Returns ``http.get`` and ``http.post``.

    Args:
        page: Bytes of an answer that are kept; the rest is not read.
        time_limit: From the first look-up to the last byte, redirects included.
        redirects: Most redirects, each of which is checked like a call.
        ratio: How many bytes one packed byte may become, above the first 64 KiB.
        resolve: Finds the addresses of a host; the machine's resolver by default.
    """
    seconds = parse_duration(time_limit)

    async def call(
        method: str, arguments: Mapping[str, Any], use: ToolUse, **sent: Any
    ) -> dict[str, Any]:
        try:
            from pepperpy_agents.tools.builtin import fetching
        except ModuleNotFoundError as error:
            raise BadConfig(
                f"the tools http.get and http.post need the package {error.name}",
                hint=install("tools"),
            ) from None
        answer = await fetching.fetch(
            fetching.Request(method=method, url=arguments["url"], **sent),
            fetching.Guard(
                host=lambda method, host: use.grants.allow(f"http.{method}:{host}"),
                exactly=lambda method, host: _exactly(use.grants, f"http.{method}:{host}"),
                resolve=resolve or fetching.resolve_by_system,
            ),
            fetching.Limits(
                page=parse_size(page), seconds=seconds, redirects=redirects, ratio=ratio
            ),
        )
        return {
            "url": answer.url,
            "status": answer.status,
            "content_type": answer.content_type,
            "text": answer.text,
            "cut": answer.cut,
        }

    async def get(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        headers = {"Accept": arguments.get("accept", "*/*")}
        return await call("get", arguments, use, headers=headers)

    async def post(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        body = arguments["body"].encode(errors="replace")
        if len(body) > LARGEST_SENT:
            raise TooLarge(f"the body has more than {LARGEST_SENT} bytes", hint="send less")
        headers = {"Content-Type": arguments.get("content_type", "application/json")}
        return await call("post", arguments, use, headers=headers, body=body)

    return (
        Tool(
            name="http.get",
            description="Gets a web page or another text by its URL.",
            parameters=parameters(url=_URL, accept=_MEDIA_TYPE, required=("url",)),
            call=get,
            needs=_needs("get"),
            timeout=seconds + 5,
        ),
        Tool(
            name="http.post",
            description="Posts a text to a URL and returns the answer.",
            parameters=parameters(
                url=_URL,
                body=string("What to send"),
                content_type=_MEDIA_TYPE,
                required=("url", "body"),
            ),
            call=post,
            needs=_needs("post"),
            timeout=seconds + 5,
        ),
    )


def _exactly(grants: Grants, scope: str) -> bool:
    """Whether a grant names the very host and port, not a name above it or all hosts."""
    needed = Scope.parse(scope)
    return any(
        granted.resource == needed.resource and granted.covers(needed) for granted in grants.scopes
    )


def _needs(method: str) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    return lambda arguments: (f"http.{method}:{read_url(arguments['url']).resource}",)


_URL: Final = string("The URL, http or https", longest=LONGEST_URL)
_MEDIA_TYPE: Final = {
    **string("A media type, such as application/json", longest=200),
    "pattern": "^[A-Za-z0-9.+*/;=, -]+$",
}

GET, POST = http_tools()
