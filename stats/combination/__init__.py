"""Several channels searched as one."""
