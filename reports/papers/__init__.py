"""Files for papers: LaTeX tables, quoted results of others."""
