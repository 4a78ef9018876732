#!/usr/bin/env python
"""Chancery's command line: `manage.py help` lists the commands.

Where no settings are in the environment, those of the Chancery that was last started here are taken.
"""

import os
import sys

from django.core.management import execute_from_command_line

from config.processes import environment_of, folder_from

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if "SECRET_KEY" not in os.environ:
        os.environ |= environment_of(folder_from(os.environ)) | os.environ
    execute_from_command_line(sys.argv)
