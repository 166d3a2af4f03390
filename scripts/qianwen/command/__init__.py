"""Parsing the command line and wording the answer. May be imported by cli; describe uses its widths."""
