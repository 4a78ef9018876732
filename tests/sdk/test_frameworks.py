"""The hooks of agent frameworks against the real packages: one call goes through, one is refused and does not run.

Each framework is skipped where it is not installed; docs/connect/frameworks.md tells how these run in an environment of their own. The
models are scripted, and the server is a small one that answers as Chancery does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from chancery_sdk.client import AsyncClient, Client

from tests.sdk.small_server import Chancery, serving

ran: list[str] = []
ORDER = {"order_id": "A-17"}
SAID = [("lookup_order", "started"), ("lookup_order", "finished"), ("refund_order", "denied")]


def lookup_order(order_id: str) -> str:
    """Find an order."""
    ran.append("lookup_order")
    return f"{order_id} shipped"


def refund_order(order_id: str) -> str:
    """Refund an order."""
    ran.append("refund_order")
    return f"{order_id} refunded"


@pytest.fixture
def chancery() -> Iterator[Chancery]:
    ran.clear()
    with serving() as server:
        yield server


@pytest.fixture
def client(chancery: Chancery) -> Iterator[Client]:
    client = Client(chancery.url, "key", service="order-desk", agent_id="AGT-0001", interval_s=0.05)
    yield client
    client.close()


def needs(*modules: str) -> None:
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed", exc_type=ImportError)


def check(chancery: Chancery, client: Any, agent: str = "order_agent", ids: bool = True) -> None:
    """One ran, one did not, and both were told."""
    assert client._delivery.flush(5)
    assert ran == ["lookup_order"]
    told = [(one["data"]["tool"], one["type"].rpartition(".")[2]) for one in chancery.events]
    assert told == SAID
    assert {one["data"].get("agent", "") for one in chancery.events} == {agent}
    assert all(one["data"]["arguments"] == ORDER for one in chancery.events)
    assert "shipped" in json.dumps(chancery.events[1]["data"]["result"])
    if ids:
        assert [one["data"]["call_id"] for one in chancery.events] == ["call_1", "call_1", "call_2"]
    assert [one["agent"] for one in chancery.questions] == ["AGT-0001", "AGT-0001"]


def test_pydantic_ai(chancery: Chancery, client: Client) -> None:
    needs("pydantic_ai.capabilities")
    from chancery_sdk.frameworks.pydantic_ai import Governed
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    def scripted(messages: list[Any], _: Any) -> ModelResponse:
        calls = [
            ToolCallPart("lookup_order", ORDER, tool_call_id="call_1"),
            ToolCallPart("refund_order", ORDER, tool_call_id="call_2"),
        ]
        made = sum(isinstance(one, ModelResponse) for one in messages)
        return ModelResponse(parts=[calls[made] if made < 2 else TextPart("done")])

    agent = Agent(
        FunctionModel(scripted),
        name="order_agent",
        tools=[lookup_order, refund_order],
        capabilities=[Governed(client)],
    )
    result = agent.run_sync("refund A-17")
    assert "Refused by Chancery" in str(result.all_messages())
    check(chancery, client)
    assert {one["data"]["conversation_id"] for one in chancery.events} == {result.conversation_id}


def test_openai_agents(chancery: Chancery) -> None:
    needs("agents.tool_guardrails")
    from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
    from chancery_sdk.frameworks.openai_agents import govern
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    class Scripted(Model):
        made = 0

        async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
            names = ("lookup_order", "refund_order")
            output: Any
            if self.made < 2:
                output = ResponseFunctionToolCall(
                    arguments=json.dumps(ORDER),
                    call_id=f"call_{self.made + 1}",
                    name=names[self.made],
                    type="function_call",
                )
            else:
                text = ResponseOutputText(annotations=[], text="done", type="output_text")
                output = ResponseOutputMessage(
                    id="m", content=[text], role="assistant", status="completed", type="message"
                )
            self.made += 1
            return ModelResponse(output=[output], usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            raise NotImplementedError

    agent = Agent(
        "order_agent", tools=[function_tool(lookup_order), function_tool(refund_order)], model=Scripted()
    )
    client = AsyncClient(chancery.url, "key", service="order-desk", agent_id="AGT-0001", interval_s=0.05)
    govern(govern(agent, client), client)  # twice is once
    result = Runner.run_sync(
        agent, "refund A-17", run_config=RunConfig(tracing_disabled=True, group_id="g-1")
    )
    assert result.final_output == "done"
    check(chancery, client)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_langchain(how: str, chancery: Chancery, client: Client) -> None:
    needs("langchain.agents.middleware")
    from chancery_sdk.frameworks.langchain import Governed
    from langchain.agents import create_agent
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Scripted(GenericFakeChatModel):
        def bind_tools(self, *_: Any, **__: Any) -> Any:
            return self

    calls = [("lookup_order", "call_1"), ("refund_order", "call_2")]
    said = [
        AIMessage("", tool_calls=[{"name": name, "args": ORDER, "id": one, "type": "tool_call"}])
        for name, one in calls
    ]
    agent = create_agent(
        Scripted(messages=iter([*said, AIMessage("done")])),
        [lookup_order, refund_order],
        middleware=[Governed(client)],
        name="order_agent",
    )
    told, config = {"messages": [("user", "refund A-17")]}, {"configurable": {"thread_id": "t-1"}}
    result = asyncio.run(agent.ainvoke(told, config)) if how == "ainvoke" else agent.invoke(told, config)
    assert [one.status for one in result["messages"] if one.type == "tool"] == ["success", "error"]
    check(chancery, client)
    assert {one["data"]["conversation_id"] for one in chancery.events} == {"t-1"}


def test_strands(chancery: Chancery, client: Client) -> None:
    needs("strands.hooks")
    from chancery_sdk.frameworks.strands import Governed
    from strands import Agent, tool
    from strands.models import Model

    class Scripted(Model):
        made = 0

        def update_config(self, **_: Any) -> None:
            return

        def get_config(self) -> Any:
            return {}

        async def structured_output(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError
            yield

        async def stream(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            names = ("lookup_order", "refund_order")
            yield {"messageStart": {"role": "assistant"}}
            if self.made < 2:
                use = {"name": names[self.made], "toolUseId": f"call_{self.made + 1}"}
                yield {"contentBlockStart": {"start": {"toolUse": use}}}
                yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(ORDER)}}}}
            else:
                yield {"contentBlockStart": {"start": {}}}
                yield {"contentBlockDelta": {"delta": {"text": "done"}}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "tool_use" if self.made < 2 else "end_turn"}}
            self.made += 1

    agent = Agent(
        model=Scripted(),
        name="order_agent",
        tools=[tool(lookup_order), tool(refund_order)],
        hooks=[Governed(client)],
        callback_handler=None,
    )
    assert "Refused by Chancery" in str(agent("refund A-17")) or "Refused" in str(agent.messages)
    check(chancery, client)


def test_google_adk(chancery: Chancery, client: Client) -> None:
    needs("google.adk.plugins.base_plugin")
    from chancery_sdk.frameworks.google_adk import Governed
    from google.adk.agents import LlmAgent
    from google.adk.models import BaseLlm, LlmResponse
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    class Scripted(BaseLlm):
        made: int = 0

        async def generate_content_async(
            self, llm_request: Any, stream: bool = False
        ) -> AsyncIterator[LlmResponse]:
            names = ("lookup_order", "refund_order")
            if self.made < 2:
                call = types.FunctionCall(id=f"call_{self.made + 1}", name=names[self.made], args=ORDER)
                part = types.Part(function_call=call)
            else:
                part = types.Part(text="done")
            self.made += 1
            yield LlmResponse(content=types.Content(role="model", parts=[part]))

    agent = LlmAgent(name="order_agent", model=Scripted(model="scripted"), tools=[lookup_order, refund_order])
    runner = InMemoryRunner(agent=agent, plugins=[Governed(client)])

    async def work() -> str:
        session = await runner.session_service.create_session(app_name=runner.app_name, user_id="u")
        message = types.Content(role="user", parts=[types.Part(text="refund A-17")])
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message):
            pass
        return str(session.id)

    conversation = asyncio.run(work())
    check(chancery, client)
    assert {one["data"]["conversation_id"] for one in chancery.events} == {conversation}


@pytest.mark.parametrize("is_async", [False, True])
def test_agno(is_async: bool, chancery: Chancery, client: Client) -> None:
    needs("agno.tools.function")
    from agno.models.message import Message
    from agno.run import RunContext
    from agno.tools.function import Function, FunctionCall
    from chancery_sdk.frameworks.agno import governed, governed_async

    class Agent:
        name, session_id = "order_agent", "s-1"

    made = zip(("call_1", "call_2"), ("lookup_order", "refund_order"), strict=True)
    asked = [{"id": one, "function": {"name": name, "arguments": json.dumps(ORDER)}} for one, name in made]
    context = RunContext(
        run_id="r-1", session_id="s-1", messages=[Message(role="assistant", tool_calls=asked)]
    )
    for entry in (lookup_order, refund_order):
        function = Function.from_callable(entry)
        function.process_entrypoint()
        function.tool_hooks = [governed_async(client) if is_async else governed(client)]
        function._agent, function._run_context = Agent(), context
        call = FunctionCall(function=function, arguments=ORDER)
        done = asyncio.run(call.aexecute()) if is_async else call.execute()
        assert done.status == "success"
    assert "Refused by Chancery" in str(done.result)
    check(chancery, client)
    assert {one["data"]["conversation_id"] for one in chancery.events} == {"s-1"}


def test_crewai(chancery: Chancery, client: Client) -> None:
    needs("crewai.hooks")
    from chancery_sdk.frameworks.crewai import govern
    from crewai import Agent, Crew, Task
    from crewai.llms.base_llm import BaseLLM
    from crewai.tools import tool

    said = iter(
        f"Thought: go\nAction: {name}\nAction Input: {json.dumps(ORDER)}"
        for name in ("lookup_order", "refund_order")
    )

    class Scripted(BaseLLM):
        def call(self, *_: Any, **__: Any) -> str:
            return next(said, "Thought: done\nFinal Answer: done")

        def supports_function_calling(self) -> bool:
            return False

        def get_context_window_size(self) -> int:
            return 8000

    govern(client)
    agent = Agent(role="order_agent", goal="help", backstory="", llm=Scripted(model="scripted"),
                  tools=[tool("lookup_order")(lookup_order), tool("refund_order")(refund_order)])  # fmt: skip
    task = Task(description="refund A-17", expected_output="done", agent=agent)
    Crew(agents=[agent], tasks=[task]).kickoff()
    check(chancery, client, ids=False)
    ids = [one["data"]["call_id"] for one in chancery.events]
    assert ids[0] == ids[1] != ids[2]  # made here, and the same from start to end


def test_claude_agent_sdk(chancery: Chancery, client: Client) -> None:
    """The callbacks as the SDK calls them; the program behind it is not run here."""
    needs("claude_agent_sdk")
    from chancery_sdk.frameworks.claude_agent_sdk import hooks

    made = hooks(client)

    def call(event: str, name: str, **more: Any) -> Any:
        told = {"hook_event_name": event, "session_id": "s-1", "tool_name": name, "tool_input": ORDER} | more
        return asyncio.run(made[event][0].hooks[0](told, more["tool_use_id"], None))

    assert call("PreToolUse", "lookup_order", tool_use_id="call_1") == {}
    ran.append("lookup_order")
    call("PostToolUse", "lookup_order", tool_use_id="call_1", tool_response="shipped")
    refused = call("PreToolUse", "refund_order", tool_use_id="call_2")
    assert refused["hookSpecificOutput"]["permissionDecision"] == "deny"
    check(chancery, client, agent="")
