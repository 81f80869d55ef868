"""Where events come from: one file for each format of files, ROOT layouts, file sets, chunks."""
