"""What may be asked of which model, and how it is written on the wire. May be imported by every wing that speaks of requests."""
