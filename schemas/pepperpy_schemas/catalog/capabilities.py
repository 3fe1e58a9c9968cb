"""Tasks of the stock agents that reason, learn and plan: each kind of problem has its topic."""

from typing import Any, Final

from pepperpy_schemas.action_plans import ActionProblem
from pepperpy_schemas.constraints import ConstraintProblem
from pepperpy_schemas.decisions import DecisionProblem
from pepperpy_schemas.goal_plans import GoalProblem
from pepperpy_schemas.learned_routes import RouteRating, RouteTask
from pepperpy_schemas.learning_bandits import BanditRequest
from pepperpy_schemas.learning_choice import ChoiceRequest
from pepperpy_schemas.learning_online import OnlineRequest
from pepperpy_schemas.learning_values import ValueRequest
from pepperpy_schemas.model_reasoning import (
    AbductiveProblem,
    AnalogicalProblem,
    CausalProblem,
    CounterfactualProblem,
    DeductiveProblem,
    InductiveProblem,
)
from pepperpy_schemas.patterns import PatternsProblem
from pepperpy_schemas.resource_plans import ScheduleProblem
from pepperpy_schemas.rules import RulesProblem
from pepperpy_schemas.subjects import Subject
from pepperpy_schemas.task_plans import TaskProblem

REASON_RULES_TASK: Final = Subject(
    "ReasonRulesTask",
    "{p}.task.reason-rules.{id}",
    RulesProblem,
    "What follows from facts and rules shall be answered, with its proof.",
    "TASKS",
    (
        '{"rules":"grandparent(X, Z) :- parent(X, Y), parent(Y, Z).",'
        '"facts":{"parent":[["ana","bo"],["bo","cy"]]},"query":"grandparent(X, cy)"}',
    ),
)
REASON_PATTERNS_TASK: Final = Subject(
    "ReasonPatternsTask",
    "{p}.task.reason-patterns.{id}",
    PatternsProblem,
    "Records that fit a pattern with variables shall be found.",
    "TASKS",
    (
        '{"records":[{"event":"failed","user":"ana","at":0},{"event":"ok","user":"ana","at":20}],'
        '"find":[{"fits":{"event":"failed","user":"?u"}},'
        '{"fits":{"event":"ok","user":"?u"},"within":"1m"}],"time":"at"}',
    ),
)
REASON_DECISION_TASK: Final = Subject(
    "ReasonDecisionTask",
    "{p}.task.reason-decision.{id}",
    DecisionProblem,
    "Options shall be ranked by weighted criteria.",
    "TASKS",
    (
        '{"criteria":[{"name":"price","direction":"less","unit":"EUR"},{"name":"range","weight":2}],'
        '"options":[{"name":"a","values":{"price":300,"range":40}},'
        '{"name":"b","values":{"price":450,"range":70}}]}',
    ),
)
REASON_CONSTRAINTS_TASK: Final = Subject(
    "ReasonConstraintsTask",
    "{p}.task.reason-constraints.{id}",
    ConstraintProblem,
    "Values that meet all constraints are wanted, or those that exclude each other.",
    "TASKS",
    (
        '{"variables":{"x":{"kind":"int","low":0,"high":9},"y":{"kind":"int","low":0,"high":9}},'
        '"constraints":[{"name":"sum","kind":"linear","holds":"x + 2*y <= 12"}],'
        '"maximize":"3*x + 4*y"}',
    ),
)
LEARN_ONLINE_TASK: Final = Subject(
    "LearnOnlineTask",
    "{p}.task.learn-online.{id}",
    OnlineRequest,
    "Classes, numbers, clusters or anomalies shall be learned from examples, or guessed.",
    "TASKS",
    (
        '{"do":"learn","name":"fruit","options":{"learner":"hoeffding-tree"},"examples":'
        '[{"features":{"size":3,"color":"red"},"target":"apple"}]}',
    ),
)
LEARN_VALUES_TASK: Final = Subject(
    "LearnValuesTask",
    "{p}.task.learn-values.{id}",
    ValueRequest,
    "What actions are worth shall be learned from what came of them, or the best be chosen.",
    "TASKS",
    (
        '{"do":"learn","name":"maze","examples":[{"state":[0,0],"action":"right","reward":-1.0,'
        '"next":[0,1],"actions":["left","right"]}],"asked":[{"state":[0,0]}]}',
    ),
)
LEARN_CHOICE_TASK: Final = Subject(
    "LearnChoiceTask",
    "{p}.task.learn-choice.{id}",
    ChoiceRequest,
    "It shall be learned how to learn, or chosen for a new task.",
    "TASKS",
    (
        '{"do":"learn","examples":[{"task":{"features":3.2},"options":{"learner":"nearest"},'
        '"score":0.9}],"asked":[{"task":{"features":3.0}}]}',
    ),
)
REASON_DEDUCTIVE_TASK: Final = Subject(
    "ReasonDeductiveTask",
    "{p}.task.reason-deductive.{id}",
    DeductiveProblem,
    "What follows from premises in words shall be concluded, and proved.",
    "TASKS",
    ('{"premises":["All men are mortal.","Socrates is a man."],"question":"Is Socrates mortal?"}',),
)
REASON_INDUCTIVE_TASK: Final = Subject(
    "ReasonInductiveTask",
    "{p}.task.reason-inductive.{id}",
    InductiveProblem,
    "The rule that observations lead to is wanted.",
    "TASKS",
    (
        '{"observations":["Swan 1 is white.","Swan 2 is white."],'
        '"question":"Is the next one white?"}',
    ),
)
REASON_ABDUCTIVE_TASK: Final = Subject(
    "ReasonAbductiveTask",
    "{p}.task.reason-abductive.{id}",
    AbductiveProblem,
    "What explains something best is wanted.",
    "TASKS",
    ('{"explain":["The grass is wet."],"known":["The sprinkler was off."]}',),
)
REASON_ANALOGICAL_TASK: Final = Subject(
    "ReasonAnalogicalTask",
    "{p}.task.reason-analogical.{id}",
    AnalogicalProblem,
    "What is so because of something like it is wanted.",
    "TASKS",
    (
        '{"source":["Water flows from high to low pressure."],"target":["Heat has a temperature."],'
        '"question":"Where does heat flow?"}',
    ),
)
REASON_CAUSAL_TASK: Final = Subject(
    "ReasonCausalTask",
    "{p}.task.reason-causal.{id}",
    CausalProblem,
    "Causes and their effects are wanted, as a graph.",
    "TASKS",
    ('{"evidence":["Who smokes has cancer more often."],"factors":["smoking","cancer"]}',),
)
REASON_COUNTERFACTUAL_TASK: Final = Subject(
    "ReasonCounterfactualTask",
    "{p}.task.reason-counterfactual.{id}",
    CounterfactualProblem,
    "What would be so if something were otherwise is wanted.",
    "TASKS",
    (
        '{"situation":["The match was struck.","It is lit."],"suppose":"The match was wet.",'
        '"question":"Is it lit?"}',
    ),
)
PLAN_ACTIONS_TASK: Final = Subject(
    "PlanActionsTask",
    "{p}.task.plan-actions.{id}",
    ActionProblem,
    "Actions that lead from a state to a goal shall be found.",
    "TASKS",
    (
        '{"objects":{"home":"object","shop":"object"},"actions":[{"name":"walk",'
        '"parameters":{"from":"object","to":"object"},"when":["at from"],'
        '"then":["at to","not at from"]}],"init":["at home"],"goal":["at shop"]}',
    ),
)
PLAN_SCHEDULE_TASK: Final = Subject(
    "PlanScheduleTask",
    "{p}.task.plan-schedule.{id}",
    ScheduleProblem,
    "It shall be said when each task is done, and by what.",
    "TASKS",
    (
        '{"resources":{"oven":{}},"jobs":[{"name":"bread","tasks":[{"name":"knead",'
        '"duration":1},{"name":"bake","duration":2,"uses":{"oven":1}}]}]}',
    ),
)
PLAN_TASKS_TASK: Final = Subject(
    "PlanTasksTask",
    "{p}.task.plan-tasks.{id}",
    TaskProblem,
    "A goal shall be reached by tasks of other topics, by declared methods or a model's.",
    "TASKS",
    (
        '{"goal":"publish","input":{"subject":"otters"},"methods":[{"name":"in_two","task":'
        '"publish","steps":[{"name":"research","task":"research","input":"${input.subject}"},'
        '{"name":"write","task":"write","input":{"notes":"${research.result}"}}]}],"run":true}',
    ),
)
PLAN_GOAL_TASK: Final = Subject(
    "PlanGoalTask",
    "{p}.task.plan-goal.{id}",
    GoalProblem,
    "A goal shall be measured by events, once or until it is reached.",
    "TASKS",
    (
        '{"goal":"Sell a hundred tickets.","sources":{"sold":{"events":"ticket.sold"}},'
        '"sub_goals":[{"name":"tickets","source":"sold","target":100}],"watch":true}',
    ),
)
LEARN_BANDIT_TASK: Final = Subject(
    "LearnBanditTask",
    "{p}.task.learn-bandit.{id}",
    BanditRequest,
    "A bandit shall learn from rewards, or say which arm to pull.",
    "TASKS",
    (
        '{"do":"learn","name":"greetings","examples":[{"arm":"hello","reward":1,'
        '"features":{"daytime":"morning"}}],"options":{"discount":0.99}}',
    ),
)
ROUTE_TASK: Final = Subject(
    "RouteTask",
    "{p}.task.route.{id}",
    RouteTask,
    "A task shall go where it was learned that such tasks end best.",
    "TASKS",
    (
        '{"choices":[{"name":"small","topic":"answer","set":{"model":"small"}},'
        '{"name":"large","topic":"answer","set":{"model":"large"}}],'
        '"task":{"text":"Where is my parcel?"},"router":"answers","features":{"kind":"mail"}}',
    ),
)
ROUTE_RATING_TASK: Final = Subject(
    "RouteRatingTask",
    "{p}.task.route-rating.{id}",
    RouteRating,
    "Somebody says how good it is what came of a routed task.",
    "TASKS",
    ('{"task":"PP_TASKS-7","rating":0.8,"by":"ana"}',),
)

CAPABILITY_TASKS: Final[tuple[Subject[Any], ...]] = (
    REASON_RULES_TASK,
    REASON_PATTERNS_TASK,
    REASON_DECISION_TASK,
    REASON_CONSTRAINTS_TASK,
    REASON_DEDUCTIVE_TASK,
    REASON_INDUCTIVE_TASK,
    REASON_ABDUCTIVE_TASK,
    REASON_ANALOGICAL_TASK,
    REASON_CAUSAL_TASK,
    REASON_COUNTERFACTUAL_TASK,
    LEARN_ONLINE_TASK,
    LEARN_VALUES_TASK,
    LEARN_CHOICE_TASK,
    PLAN_ACTIONS_TASK,
    PLAN_SCHEDULE_TASK,
    PLAN_TASKS_TASK,
    PLAN_GOAL_TASK,
    LEARN_BANDIT_TASK,
    ROUTE_TASK,
    ROUTE_RATING_TASK,
)
"""All of them, in the order in which documents show them."""
