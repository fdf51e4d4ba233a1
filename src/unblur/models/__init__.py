"""Networks by name. `create` is the one factory; nothing is registered by import."""
