"""Decision chains: who did what in a run, what led to what, and where it probably went wrong.

The pure part touches no table: `steps` (what a step is), `values` and `flow` (which result was used where), `order`
(causes first, clocks second), `build` (the graph), `signals` and `blame` (the ranking), `differences` (two runs).
`reading` brings stored calls and spans in; `judge` asks a configured model.
"""
