"""The web server: gunicorn, its workers, the repaired meinheld, and what stands between them and the application."""
