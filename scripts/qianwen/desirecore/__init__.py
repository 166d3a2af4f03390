"""The other way to the service, through DesireCore on this machine. May be imported by cli."""
