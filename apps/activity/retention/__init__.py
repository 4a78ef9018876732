"""How long activity is kept: settings, real deletion of whole days, and their move to Parquet before.

services (settings) > job (the clock) > archive (files); horizon tells what is still whole
"""
