"""Makes prepared models of spaCy pipelines, and proves them; needs spaCy."""
