"""Parses the command line and words the answer. May be imported by cli, and by describe, which uses its widths."""
