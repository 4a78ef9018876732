"""Orders on their way: how points wait for them, and Chancery's own points, which answer by themselves.

act > order written > commit > numbered > nudge > TAIL wakes who waits > each reads what concerns it > does it > acknowledges
"""
