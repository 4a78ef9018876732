"""The principal that stands for Chancery itself in the ledger."""

import uuid

from django.db import migrations

SYSTEM_ID = uuid.UUID("00000000-0000-7000-8000-000000000001")


def add(apps, schema_editor):
    apps.get_model("identity", "Principal").objects.get_or_create(
        pk=SYSTEM_ID, defaults={"kind": "service", "name": "Chancery"}
    )


def remove(apps, schema_editor):
    apps.get_model("identity", "Principal").objects.filter(pk=SYSTEM_ID).delete()


class Migration(migrations.Migration):
    dependencies = [("identity", "0002_ledger_rights")]
    operations = [migrations.RunPython(add, remove)]
