"""The words of a command line and the words of an answer. May be imported by cli; describe draws on its widths."""
