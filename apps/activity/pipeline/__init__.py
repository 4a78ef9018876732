"""From stored spans to judged calls, driven by the outbox: exactly once, whatever is killed.

step:  take outbox rows > read their spans and traces > reports > resolve (trace) > merge > agents
       > calls > verdicts (calls_recorded) > positions > delete the outbox rows > commit > nudge the feed
"""
