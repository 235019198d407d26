"""Pages for a browser: the playground, their files in `static/`, and what they ask beside the other routes.

Imports upstream, auth, http and config; imported by app.
"""
