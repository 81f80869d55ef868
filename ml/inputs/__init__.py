"""From columns to what a method is given."""
