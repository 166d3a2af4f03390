"""What this machine bought and what became of it. May be imported by actions, desirecore and cli."""
