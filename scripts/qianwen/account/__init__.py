"""What was bought and what became of it. May be imported by gallery, desirecore, actions, recovery, batch, cli."""
