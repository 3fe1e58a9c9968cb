"""The learners that come with PepperPy, in the order in which they are shown."""

from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_capabilities.learning.meta.chooser import Chooser
from pepperpy_capabilities.learning.online.learner import OnlineLearner
from pepperpy_capabilities.learning.serving import Offered
from pepperpy_capabilities.learning.values.learner import ValueLearner
from pepperpy_schemas.learning_bandits import BanditAnswer, BanditRequest
from pepperpy_schemas.learning_choice import ChoiceAnswer, ChoiceRequest
from pepperpy_schemas.learning_online import OnlineAnswer, OnlineRequest
from pepperpy_schemas.learning_values import ValueAnswer, ValueRequest

BUILT_IN: tuple[Offered, ...] = (
    Offered(OnlineLearner, OnlineRequest, OnlineAnswer),
    Offered(ValueLearner, ValueRequest, ValueAnswer),
    Offered(BanditLearner, BanditRequest, BanditAnswer),
    Offered(Chooser, ChoiceRequest, ChoiceAnswer),
)
