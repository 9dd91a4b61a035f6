"""What every part of the package uses: effects, settings, outcomes, redaction, cost, lineage, identity."""
