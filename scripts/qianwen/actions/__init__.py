"""What a run does. Read `generate` first. May be imported by recovery, batch, cli."""
