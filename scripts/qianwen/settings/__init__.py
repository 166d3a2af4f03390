"""Reads `.env` files, and decides which of them are the user's own. May be imported by environment."""
