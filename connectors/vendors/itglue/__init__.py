"""IT Glue: the documentation of a service provider's clients."""
