"""What may be asked of which model, and how it is written. May be imported by all that speak of requests."""
