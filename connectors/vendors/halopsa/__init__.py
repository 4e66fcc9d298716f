"""HaloPSA: tickets of a professional services automation system."""
