"""The surface in OpenAPI, made from the objects that the code itself checks with, and a page that shows it."""
