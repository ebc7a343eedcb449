"""`make bench-search`: what searches cost on a large catalogue, and how many a second, beside the usual stack."""
