"""The door at which agents ask for decisions: bare ASGI beside Django, for keys. What is plain is decided on the loop from
memory and written in one statement; everything else goes through the services, on a thread."""
