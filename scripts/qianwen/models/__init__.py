"""What may be asked, and how it is written on the wire."""
