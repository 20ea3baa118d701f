"""VBench-Long: eight dimensions with the numbers of the official code, and numbers per video.

Protocol `long_custom_input` with slow-fast fusion (`dev_flag`) of Vchitect/VBench. The networks are
the official ones, from installed packages (extra `vbench`); the code around them is Longtake's.
"""
