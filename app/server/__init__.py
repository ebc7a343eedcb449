"""The web server: gunicorn, its workers, the repaired meinheld, and the WSGI middleware around the application."""
