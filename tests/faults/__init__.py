"""The campaign of faults: damaged inputs, and kills at any moment. See docs/reliability.md.

```
python -m tests.faults inputs=1000 kills=100     # or make faults N=1000 KILLS=100
python -m tests.faults input=123                 # one case again, with all it printed
```
"""
