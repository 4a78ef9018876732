"""Further ways in: events, OpenAI's traces, the hooks of coding agents. They share the door, the key ring, the
COPY writer and the outbox with OTLP, and like the door they know nothing of Django."""
