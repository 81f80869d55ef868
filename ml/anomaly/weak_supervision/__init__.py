"""Methods that classify one mixed sample against another: CWoLa and related methods."""
