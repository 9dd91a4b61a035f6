"""What the services of the local endpoint have in common: states, drivers, tokens, pages, tags, names."""
