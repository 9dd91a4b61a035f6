"""The trigger of everything that is deferred, and its journal."""
