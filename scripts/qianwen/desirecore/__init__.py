"""The other route to the service, through DesireCore on this machine. May be imported by cli."""
