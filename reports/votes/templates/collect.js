"use strict";
// Only a server that collects votes answers with true here: `python -m harness serve NAME --votes`.
window.longtakeCollects = false;
