"""Reports: tables, plots and one static page from the files of a run store."""
