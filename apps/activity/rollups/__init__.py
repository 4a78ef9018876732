"""Sums by the hour: marked by whoever changes a call, made anew from the calls by a job, read by pages.

marking (in the pipeline's transaction) > rolling (the job) > queries (pages); histogram is pure
"""
