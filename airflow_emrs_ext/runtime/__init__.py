"""How workflows are run: drivers, the poller of deferred tasks, the rate limiter, the event queue, streams."""
