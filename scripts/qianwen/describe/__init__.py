"""A row of the catalogue in words and as JSON. May be imported by cli and by the generator of the references."""
