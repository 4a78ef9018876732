"""Did it really happen? Read-backs of tools with a side effect, and what they find of each call.

paths.py     where a value stands in arguments, a result, an answer
rules.py     what may be declared, its shape and its sentence
judging.py   what evidence says: verified, failed, unknown, or not yet
asking.py    the address a call leads to, and what it answered
reading.py   which calls may be evidence for which
job.py       calls of the feed become rows that wait, rows that are due are judged
services.py  declaring, taking back, trying a read-back on past calls
"""
