"""Values, JSON, redaction and threads, without any import of ours. May be imported by everybody."""
