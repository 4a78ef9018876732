"""Agents in infrastructure code: Amazon Bedrock (and AgentCore) in CloudFormation and Terraform, others in Terraform.

Formats: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-bedrock-agent.html,
https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/bedrockagent_agent
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import hcl2
from lark.exceptions import LarkError

from chancery_sdk.scan.documents import line_of
from chancery_sdk.scan.finding import Finding, names_of, text_of
from chancery_sdk.scan.source import Source

CLOUDFORMATION_AGENTS: Final = frozenset({"AWS::Bedrock::Agent", "AWS::BedrockAgentCore::Runtime"})
# Resource type -> (framework, arguments that hold name, model, description)
TERRAFORM_AGENTS: Final = {
    "aws_bedrockagent_agent": ("bedrock-agents", ("agent_name", "foundation_model", "description")),
    "awscc_bedrock_agent": ("bedrock-agents", ("agent_name", "foundation_model", "description")),
    "aws_bedrockagentcore_agent_runtime": ("bedrock-agentcore", ("agent_runtime_name", "", "description")),
    "awscc_bedrockagentcore_runtime": ("bedrock-agentcore", ("agent_runtime_name", "", "description")),
    "google_dialogflow_cx_agent": ("dialogflow", ("display_name", "", "description")),
    "google_vertex_ai_reasoning_engine": ("vertex-agent-engine", ("display_name", "", "description")),
    "azurerm_bot_service_azure_bot": ("azure-bot", ("name", "", "description")),
    "databricks_mosaic_agent": ("databricks", ("name", "", "description")),
}
LONGEST_HCL: Final = 200_000


def read_cloudformation(source: Source) -> list[Finding]:
    """Templates in YAML or JSON; parameters with a default are resolved."""
    if source.suffix not in (".yaml", ".yml", ".json", ".template"):
        return []
    found = []
    for document in source.mappings:
        for logical_id, resource in _mapping(document.get("Resources")).items():
            if isinstance(resource, dict) and str(resource.get("Type")) in CLOUDFORMATION_AGENTS:
                found.append(_stack_agent(source, document, logical_id, resource))
    return found


def _stack_agent(
    source: Source, template: dict[str, Any], logical_id: str, resource: dict[str, Any]
) -> Finding:
    properties = _mapping(resource.get("Properties"))
    defaults = {
        key: text_of(_mapping(item).get("Default"))
        for key, item in _mapping(template.get("Parameters")).items()
    }
    name = _resolved(properties.get("AgentName") or properties.get("AgentRuntimeName"), defaults)
    model = _resolved(properties.get("FoundationModel"), defaults)
    described = properties.get("Description")
    groups = _dicts(properties.get("ActionGroups"))
    is_core = "AgentCore" in str(resource["Type"])
    return Finding(
        "bedrock-cloudformation",
        "bedrock-agentcore" if is_core else "bedrock-agents",
        name=name or logical_id,
        model=model,
        tools=names_of(_resolved(group.get("ActionGroupName"), defaults) for group in groups),
        description=_resolved(described, defaults) or ("given elsewhere" if described else ""),
        place=source.at(line_of(resource) or source.line_with(f'"{logical_id}"')),
        extra={"logical_id": logical_id} | _reference("name_ref", properties.get("AgentName"))
        | _reference("model_ref", properties.get("FoundationModel")),
    )  # fmt: skip


def _resolved(value: object, defaults: dict[str, str | None]) -> str | None:
    """A literal, or the default of the parameter that Ref or Sub names; None when only the account knows it."""
    if isinstance(value, dict):
        target = value.get("Ref")
        if isinstance(target, str):
            return defaults.get(target)
        value = value.get("Fn::Sub")
        value = value[0] if isinstance(value, list) and value else value
    text = text_of(value)
    if text is None:
        return None
    filled = re.sub(r"\$\{(\w+)\}", lambda found: defaults.get(found[1]) or found[0], text)
    return (
        filled.split("::foundation-model/")[-1]
        if "${" not in filled.split("::foundation-model/")[-1]
        else None
    )


def _reference(key: str, value: object) -> dict[str, str]:
    return {key: str(value)} if isinstance(value, dict) else {}


def read_terraform(source: Source) -> list[Finding]:
    """Terraform in HCL or JSON; variables with a default in the same file are resolved."""
    if not source.name.endswith((".tf", ".tf.json", ".tofu")) or not any(
        kind in source.text for kind in TERRAFORM_AGENTS
    ):
        return []
    parsed = _parsed(source)
    variables = {
        name: _literal(_mapping(item).get("default"), {}) for name, item in _blocks(parsed.get("variable"))
    }  # fmt: skip
    groups = list(_action_groups(parsed, variables))
    return [
        _terraform_agent(source, kind, name, body, variables, groups)
        for kind, inner in _blocks(parsed.get("resource"))
        if kind in TERRAFORM_AGENTS
        for name, body in _blocks(inner)
    ]


def _parsed(source: Source) -> dict[str, Any]:
    if source.name.endswith(".json"):
        return _mapping(source.json)
    try:
        return dict(hcl2.loads(source.text[:LONGEST_HCL]))
    except (LarkError, ValueError, RecursionError):
        return {}


def _blocks(value: object) -> Iterator[tuple[str, Any]]:
    """Labelled blocks, which HCL gives as a list of single mappings with quoted labels, and JSON as one mapping."""
    for item in value if isinstance(value, list) else [value]:
        for label, body in _mapping(item).items():
            if not label.startswith("__"):
                yield label.strip('"'), body


def _action_groups(parsed: dict[str, Any], variables: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """Agent's logical name and the group's name, for groups declared as resources of their own."""
    for kind, inner in _blocks(parsed.get("resource")):
        for _, body in _blocks(inner) if kind == "aws_bedrockagent_agent_action_group" else ():
            target = re.search(r"aws_bedrockagent_agent\.(\w+)", str(_mapping(body).get("agent_id")))
            name = _literal(_mapping(body).get("action_group_name"), variables)
            if target and name:
                yield target[1], name


def _terraform_agent(
    source: Source,
    kind: str,
    name: str,
    body: object,
    variables: dict[str, str | None],
    groups: list[tuple[str, str]],
) -> Finding:
    framework, (name_key, model_key, description_key) = TERRAFORM_AGENTS[kind]
    given = _mapping(body[0] if isinstance(body, list) and body else body)
    own = [
        _literal(group.get("action_group_name"), variables) for group in _dicts(given.get("action_groups"))
    ]
    described = given.get(description_key)
    return Finding(
        "bedrock-terraform" if framework.startswith("bedrock") else "terraform",
        framework,
        name=_literal(given.get(name_key), variables) or name,
        model=_literal(given.get(model_key), variables),
        tools=names_of([*own, *(group for agent, group in groups if agent == name)]),
        description=_literal(described, variables) or ("given elsewhere" if described else ""),
        place=source.at(source.line_with(f'"{kind}" "{name}"', kind)),
        extra={"logical_id": f"{kind}.{name}"} | _expression("name_ref", given.get(name_key))
        | _expression("model_ref", given.get(model_key)),
    )  # fmt: skip


def _literal(value: object, variables: dict[str, str | None]) -> str | None:
    """The text of a literal or of a variable's default; None for any other expression."""
    text = text_of(value)
    if text is None:
        return None
    variable = re.fullmatch(r"\$\{var\.(\w+)\}", text.strip('"'))
    if variable:
        return variables.get(variable[1])
    plain = text.strip('"')
    return None if "${" in plain or plain == "null" else plain


def _expression(key: str, value: object) -> dict[str, str]:
    text = text_of(value) or ""
    return {key: text.strip('"').removeprefix("${").removesuffix("}")[:400]} if "${" in text else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
