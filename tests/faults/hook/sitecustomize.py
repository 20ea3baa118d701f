"""Imported by every interpreter that has this folder on its path: worker processes of a kill."""

import os

if "LONGTAKE_TEST_FAULT" in os.environ:
    from fault_hook import install_from_environment

    install_from_environment()
