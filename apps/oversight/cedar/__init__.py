"""Cedar policies as people write them: reading one, checking it against the registry, writing one from a form. Pure."""
