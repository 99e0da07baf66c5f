"""`merflow predict`: prepare, decode and extract new clips once, and apply trained systems."""
