"""The words of calls, for search: written a few seconds behind the pipeline, found through a GIN index."""
