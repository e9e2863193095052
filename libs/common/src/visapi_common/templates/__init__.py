"""The one sandbox in which the templates of both workers render."""
