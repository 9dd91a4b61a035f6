"""What everything in the endpoint is built on: settings, errors, states, drivers, pages, tags, names."""
