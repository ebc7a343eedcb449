"""A soak test: hours of mixed load, with all that operators and users do meanwhile, after which nothing has grown."""
