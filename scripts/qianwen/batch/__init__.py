"""Many requests from a file: its rows, the plan, the pace, the flight, the folder of results. May be imported by actions."""
