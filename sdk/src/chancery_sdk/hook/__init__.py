"""`chancery hook`: what Claude Code and Codex run before and after each tool call. Standard library only, for the time to start
is paid on every call."""
