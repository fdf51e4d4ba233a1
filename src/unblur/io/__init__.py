"""Reading and writing pictures and clips without losing anything about them."""
