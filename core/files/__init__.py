"""Files as people and other processes leave them: what lies in a folder, who works in it, and what texts say."""
