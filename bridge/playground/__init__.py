"""Pages for a browser: playground and operator's page, their files in `static/`, what they ask beside other routes.

Imports upstream, auth, http, errors and config; imported by app.
"""
