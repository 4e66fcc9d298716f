"""The operator's door: what the provider of the deployment reads, as a role without a right on any tenant's content."""
