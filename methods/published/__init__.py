"""Memory strategies of other papers, one a file, named and documented as their authors do."""
