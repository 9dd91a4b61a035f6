"""The server: what answers which request, quotas, faults, the administrative API."""
