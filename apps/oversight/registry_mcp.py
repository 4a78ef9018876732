"""The registry as an MCP server: agents find certified agents, learn who answers for them, ask whether they may call them.

Streamable HTTP without sessions, in both eras of the protocol (`initialize` up to 2025-11-25, `server/discover`
since 2026-07-28). Whoever asks brings an API key as a bearer token; what it may see and ask is what the key may.
Nothing is written but the decisions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field
from starlette.responses import Response

from apps.agents.directory import directory_of, fit_to_call, listed_agent
from apps.agents.models import Agent
from apps.agents.search import LONGEST_QUERY, Hit, search_agents
from apps.agents.text import telling_words
from apps.identity.audit import acting
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput, NotPermitted, NotSignedIn
from apps.oversight.bare_door import asker, in_database, is_ours, refusal
from apps.oversight.services.decisions import decide_on_call

T = TypeVar("T")
SAME_STEM = 5  # letters by which two forms of a word count as one
Scope = MutableMapping[str, Any]
ACTOR = "chancery.actor"
MOST_BYTES = 64 * 1024
PATH = "/mcp"
# The SDK's own check of hosts knows no patterns; the door below goes by ALLOWED_HOSTS, as Django does.
UNGUARDED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
INSTRUCTIONS = (
    "The register of this organisation's AI agents. Find an agent for a task with find_agent, see who answers for it "
    "with who_owns, and ask may_i_call before handing work to it. Do not call an agent that may_i_call denies."
)
Name = Annotated[str, Field(description="Its id, its number such as AGT-0412, or its slug", max_length=100)]


class Listed(BaseModel):
    """One agent as the directory shows it."""

    id: str
    ref: str = Field(description="The number people quote, such as AGT-0412")
    slug: str
    name: str
    purpose: str
    team: str | None
    state: str
    tier: int | None = Field(description="Risk, 1 low to 4 critical; null while nobody assessed it")
    certified_until: str | None = Field(description="ISO 8601; null without an active certification")
    endpoints: list[str]
    why: str = Field(description="The sentence or words of its record that fit the task best")


class FoundAgents(BaseModel):
    agents: list[Listed] = Field(description="Best first; empty when none fits")
    found_by: str = Field(description="meaning; words while meaning cannot be had")


class Ownership(BaseModel):
    agent: str
    owner: str | None
    deputy: str | None
    team: str | None
    business_service: str | None


class Answer(BaseModel):
    """The decision is recorded under `decision`; it holds for now, not for later."""

    allowed: bool
    code: str
    reason: str
    decision: str


async def find_agent(
    task: Annotated[str, Field(description="What has to be done, in plain words", max_length=LONGEST_QUERY)],
    ctx: Context[Any, Any],
    limit: Annotated[int, Field(ge=1, le=20)] = 5,
    only_fit_to_call: Annotated[
        bool,
        Field(description="Only agents in production that are certified where they must be, and not stopped"),
    ] = True,
) -> FoundAgents:
    """Find agents that can do a task."""
    return await _as_asker(ctx, lambda actor: _find(task, limit, only_fit_to_call, actor))


async def who_owns(agent: Name, ctx: Context[Any, Any]) -> Ownership:
    """Say who answers for an agent: owner, deputy, team, business service."""
    return await _as_asker(ctx, lambda actor: _ownership(listed_agent(agent, actor=actor)))


async def may_i_call(agent: Name, ctx: Context[Any, Any]) -> Answer:
    """Ask whether you may hand work to an agent now. Only with an agent's own key."""
    return await _as_asker(ctx, lambda actor: _decided(agent, actor))


def _find(task: str, limit: int, only_fit: bool, actor: Principal) -> FoundAgents:
    among = directory_of(actor)
    is_agent = actor.kind == Principal.Kind.AGENT
    words = task.replace(":", " ") if is_agent else task
    found = search_agents(words, actor=actor, limit=limit, among=fit_to_call(among) if only_fit else among)
    # What others use is not for agents: neither filters such as `tool:stripe`, nor hits by a tool's name alone.
    hits = [hit for hit in found.hits if not is_agent or found.by == "meaning" or _by_purpose(hit)]
    return FoundAgents(agents=[_listed(hit, is_agent) for hit in hits], found_by=found.by)


def _by_purpose(hit: Hit) -> bool:
    told = {word[:SAME_STEM] for word in telling_words(f"{hit.agent.name} {hit.agent.purpose}")}
    return any(word[:SAME_STEM] in told for word in hit.matched)


def _why(hit: Hit, is_agent: bool) -> str:
    if is_agent:
        return hit.sentence if hit.sentence and hit.sentence in hit.agent.purpose else hit.agent.purpose
    return hit.sentence or ", ".join(hit.matched)


def _listed(hit: Hit, is_agent: bool) -> Listed:
    agent = hit.agent
    return Listed(
        id=str(agent.pk),
        ref=agent.ref,
        slug=agent.slug,
        name=agent.name,
        purpose=agent.purpose,
        team=agent.team.name if agent.team else None,
        state=agent.state,
        tier=agent.tier,
        certified_until=agent.certified_until.isoformat() if agent.certified_until else None,
        endpoints=agent.endpoints,
        why=_why(hit, is_agent),
    )


def _ownership(agent: Agent) -> Ownership:
    return Ownership(
        agent=agent.name,
        owner=agent.owner.name if agent.owner else None,
        deputy=agent.deputy.name if agent.deputy else None,
        team=agent.team.name if agent.team else None,
        business_service=agent.business_service or None,
    )


def _decided(name: str, actor: Principal) -> Answer:
    caller = Agent.objects.visible_to(actor, Permission.DECISIONS_ASK).filter(principal=actor).first()
    if caller is None:
        raise NotPermitted("Only an agent may ask for itself: use a key of the agent, with the scope decide.")
    decision = decide_on_call(caller, listed_agent(name, actor=actor), actor=actor)
    return Answer(
        allowed=decision.outcome == decision.Outcome.ALLOW,
        code=decision.code,
        reason=decision.reason,
        decision=str(decision.pk),
    )


async def _as_asker(ctx: Context[Any, Any], answer: Callable[[Principal], T]) -> T:
    """What `answer` says to whoever asked; a refusal becomes the tool's error, in words the model can use."""
    request = ctx.request_context.request
    actor: Principal = request.scope[ACTOR]  # type: ignore[union-attr]

    def answered() -> T:
        with acting(actor):
            return answer(actor)

    try:
        return await in_database(answered)
    except InvalidInput as error:
        told = "; ".join(f"{field}: {words}" for field, words in error.fields.items())
        raise ToolError(f"{error.message} {told}".strip()) from error
    except DomainError as error:
        raise ToolError(f"{error.code}: {error.message}") from error


def make_server() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer(
        "chancery", title="Chancery register", version=version("chancery"), instructions=INSTRUCTIONS
    )
    for tool in (find_agent, who_owns):
        server.add_tool(tool, annotations=READS)
    server.add_tool(may_i_call, annotations=ToolAnnotations(destructive_hint=False, open_world_hint=False))
    return server


class RegistryDoor:
    """The ASGI application: checks host, origin and key, then hands over to the protocol."""

    def __init__(self) -> None:
        self._server = make_server()
        self._protocol = self._server.streamable_http_app(
            streamable_http_path=PATH, json_response=True, stateless_http=True, max_request_body_size=MOST_BYTES,
            transport_security=UNGUARDED,
        )  # fmt: skip

    def opened(self) -> AbstractAsyncContextManager[None]:
        """While this is entered, requests are answered. Once only."""
        return self._server.session_manager.run()

    async def __call__(self, scope: Scope, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        if not is_ours(headers):
            await refusal(NotPermitted("This address is not answered for another host or origin."))(
                scope, receive, send
            )
            return
        if scope["method"] != "POST":  # there are no sessions, so nothing to listen to and nothing to end
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        try:
            scope[ACTOR] = await in_database(lambda: asker(headers.get(b"authorization", "")))
        except NotSignedIn as error:
            await refusal(error)(scope, receive, send)
            return
        await self._protocol(scope, receive, send)
