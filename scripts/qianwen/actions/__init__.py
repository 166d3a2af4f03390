"""What a run does; read `generate` first. May be imported by cli."""
