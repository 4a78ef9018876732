"""claude-agent-sdk: `ClaudeAgentOptions(hooks=hooks(client))`. A refusal is the documented deny of a PreToolUse hook."""

from __future__ import annotations

from typing import Any

from claude_agent_sdk import HookMatcher

from chancery_sdk.frameworks.asking import AnyClient, ask
from chancery_sdk.telling import Call

SERVICE = "claude-code"  # what its telemetry calls the service


def hooks(client: AnyClient) -> dict[str, list[HookMatcher]]:
    """Hooks that ask before each tool call and report it."""

    async def before(told: Any, tool_use_id: str | None, _: Any) -> dict[str, Any]:
        call = _call(told, tool_use_id)
        verdict = await ask(client, call)
        if verdict.allowed:
            client.tool_started(call)
            return {}
        output = {
            "hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": verdict.words,
        }  # fmt: skip
        return {"hookSpecificOutput": output}

    async def after(told: Any, tool_use_id: str | None, _: Any) -> dict[str, Any]:
        client.tool_finished(_call(told, tool_use_id), told.get("tool_response"), error=told.get("error"))
        return {}

    return {
        "PreToolUse": [HookMatcher(hooks=[before])],
        "PostToolUse": [HookMatcher(hooks=[after])],
        "PostToolUseFailure": [HookMatcher(hooks=[after])],
    }


def _call(told: Any, tool_use_id: str | None) -> Call:
    return Call(
        told["tool_name"],
        told.get("tool_input"),
        call_id=tool_use_id or told.get("tool_use_id") or "",
        conversation_id=told.get("session_id") or "",
        service=SERVICE,
        framework="claude-code",
    )
