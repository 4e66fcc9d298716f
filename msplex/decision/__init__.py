"""May this principal run this tool for this customer now? One function for listing, calling and explaining."""
