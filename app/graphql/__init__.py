"""GraphQL over the services of the other domains: one request for what a page needs."""
