"""The site of docs/: pages from elsewhere in the repository, and the reference, which is made from the code."""
