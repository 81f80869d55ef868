"""First stage of a search: event files → columns, and what is seen of them meanwhile."""
