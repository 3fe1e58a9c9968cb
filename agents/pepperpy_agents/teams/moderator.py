"""The stock agent that decides for teams: which agent is asked, what a manager hands out.

It asks models as the user of the broker that it connects as, with instructions that come with the
task. So who may submit its tasks can ask models; leave it out where nobody shall who has no leave
of his own. Graphs run without it, and so do the patterns in which nothing is decided.
"""

from pepperpy_agents.agent import Agent
from pepperpy_agents.teams.deciding import decide
from pepperpy_agents.teams.steps import TOPIC

agent = Agent("moderator", version="1.0.0", capabilities=["teams"])

# A model that does not answer now may do so soon; what members failed with is never repeated.
agent.task(TOPIC, retries=5, timeout=None)(decide)
