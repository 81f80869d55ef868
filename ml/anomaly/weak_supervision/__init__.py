"""Methods that classify one mixed sample against another: CWoLa and its kin."""
