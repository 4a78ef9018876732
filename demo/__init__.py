"""A small company's agents, for looking at Chancery: they speak OTLP and REST only, as any agent would."""
