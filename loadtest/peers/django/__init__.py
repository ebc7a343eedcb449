"""The usual Python: Django with Django REST framework, under gunicorn with threads."""
