"""NinjaOne: devices, alerts, patches and backups of a service provider's clients."""
