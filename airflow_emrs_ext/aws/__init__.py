"""The calls of each service, how long they are repeated and waited for, and the tags that say whose a resource is."""
