"""Ship one framework, so that the first agent can be certified.

Titles and requirements are our words; only clause numbers come from the Regulation. Meeting them says that
this agent's part is in order, never that a company complies. A compliance officer adopts and edits them.
"""

from django.db import migrations

FRAMEWORK = {
    "key": "eu-ai-act",
    "name": "EU AI Act",
    "edition": "Regulation (EU) 2024/1689, operation of one agent",
    "summary": "What the Regulation asks of the operation of one agent: risk known, records kept, people in command, able to stop it. It certifies the agent's part, not the company.",
}
FIELDS = ("code", "title", "requirement", "reference", "severity")
CONTROLS = (
    (
        "AIA-RISK",
        "Risk is assessed and current",
        "The four risk dimensions are answered for what the agent does today, and somebody reviewed them.",
        "Art. 9(2)",
        "high",
    ),
    (
        "AIA-DOC",
        "Its purpose and limits are written down",
        "The record says what it is for, what it may call and what it must not do, so that another person could take it over.",
        "Art. 11(1), Art. 13(3)",
        "medium",
    ),
    (
        "AIA-LOG",
        "Every tool call is recorded",
        "Its calls arrive in the activity record without gaps, and the record is kept long enough.",
        "Art. 12(1), Art. 19(1)",
        "high",
    ),
    (
        "AIA-OVERSIGHT",
        "A person understands it and can intervene",
        "Owner and deputy are trained on it, know its limits, and can be reached while it works.",
        "Art. 14(4)(a) to (d), Art. 26(2)",
        "high",
    ),
    (
        "AIA-STOP",
        "It can be stopped, and that was tried",
        "The breaker is armed; stopping it was tested and every further tool call was refused.",
        "Art. 14(4)(e)",
        "critical",
    ),
    (
        "AIA-ACCURACY",
        "It does its work well enough",
        "A supervised trial on real cases shows results within the bounds its owner stated.",
        "Art. 15(1)",
        "high",
    ),
    (
        "AIA-SECURITY",
        "It resists being misled",
        "It was tried with manipulated inputs; its tools are limited to what its work needs.",
        "Art. 15(5)",
        "high",
    ),
    (
        "AIA-TRANSPARENCY",
        "People know that they deal with an AI system",
        "Where it writes or speaks to people, they are told so, and for whom it acts.",
        "Art. 50(1)",
        "medium",
    ),
)


def add(apps, schema_editor):
    framework, _ = apps.get_model("compliance", "Framework").objects.get_or_create(
        key=FRAMEWORK["key"], defaults=FRAMEWORK
    )
    Control = apps.get_model("compliance", "Control")
    for position, values in enumerate(CONTROLS):
        seed = dict(zip(FIELDS, values, strict=True)) | {"position": position}
        Control.objects.get_or_create(framework=framework, code=seed["code"], defaults=seed)


def remove(apps, schema_editor):
    apps.get_model("compliance", "Framework").objects.filter(key=FRAMEWORK["key"]).delete()


class Migration(migrations.Migration):
    replaces = [("compliance", "0006_outcome_findings")]
    dependencies = [("compliance", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
