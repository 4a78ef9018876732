"""Finds agents in files: recognisers for each format, behind one function.

No code is executed or imported, no address is fetched; every file is read under limits.
"""

from chancery_sdk.scan.finding import Finding, Role
from chancery_sdk.scan.recognisers import RECOGNISERS, recognise
from chancery_sdk.scan.walk import Limits, Scanned, scan_path

__all__ = ["RECOGNISERS", "Finding", "Limits", "Role", "Scanned", "recognise", "scan_path"]
