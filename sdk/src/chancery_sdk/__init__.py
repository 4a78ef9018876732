"""The client side of Chancery: what runs beside agents and in pipelines. It knows nothing of Django."""

__version__ = "0.1.0"
