"""Built-in weights and checked loading."""
