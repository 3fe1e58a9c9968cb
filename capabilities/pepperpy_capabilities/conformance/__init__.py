"""What every reasoner, learner and planner must do, as tests: those of users, too.

A class of tests inherits from one of these and says what it is about:

```python
class TestMine(ReasonerConformance):
    def make(self): return Mine()
    problem = Sums(numbers=[1, 2])
    malformed = [Sums(numbers=[])]
```
"""

from pepperpy_capabilities.conformance.learners import LearnerConformance
from pepperpy_capabilities.conformance.solvers import PlannerConformance, ReasonerConformance

__all__ = ["LearnerConformance", "PlannerConformance", "ReasonerConformance"]
