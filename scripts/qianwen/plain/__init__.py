"""Values, JSON, redaction and threads: nothing of ours. May be imported by everybody."""
