"""What a repository declares of its agents: `chancery.yaml`, read with its lines and applied to a Chancery."""

from chancery_sdk.declare.reading import NAMES, DeclarationFile, Fault, Unreadable, find_files, read_file

__all__ = ["NAMES", "DeclarationFile", "Fault", "Unreadable", "find_files", "read_file"]
