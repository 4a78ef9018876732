"""Pages of the registry, by what people do there."""
