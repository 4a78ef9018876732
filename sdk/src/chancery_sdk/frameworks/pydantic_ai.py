"""pydantic-ai: `Agent(..., capabilities=[Governed(client)])`. A refusal becomes the tool's result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import SkipToolExecution
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition

from chancery_sdk.frameworks.asking import AnyClient, ask, run
from chancery_sdk.telling import Call


@dataclass
class Governed(AbstractCapability[Any]):
    """Asks before each tool call of the agent and reports it."""

    client: AnyClient

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: Any, handler: Any
    ) -> Any:
        told = Call(
            call.tool_name,
            args,
            call_id=call.tool_call_id,
            conversation_id=ctx.conversation_id or "",
            agent=str(getattr(ctx.agent, "name", "") or ""),
            model=str(getattr(ctx.model, "model_name", "") or ""),
            framework="pydantic-ai",
        )
        verdict = await ask(self.client, told)
        if not verdict.allowed:
            raise SkipToolExecution(verdict.words)
        return await run(self.client, told, lambda: handler(args))
