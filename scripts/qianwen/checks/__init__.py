"""A request held against its row, with every problem at once. May be imported by actions, desirecore, describe and sandbox."""
