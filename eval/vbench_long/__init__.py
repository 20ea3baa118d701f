"""VBench-Long: the official numbers of eight dimensions, and what they hide.

Protocol `long_custom_input` with slow-fast fusion (`dev_flag`) of Vchitect/VBench. The networks are
the official ones, from the installed packages (extra `vbench`); everything around them is ours.
"""
