"""The API's description: OpenAPI, and the page that shows it."""
