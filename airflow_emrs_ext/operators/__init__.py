"""The operators of each resource; :mod:`.emr_serverless` and :mod:`.emr_containers` have all of a service."""
