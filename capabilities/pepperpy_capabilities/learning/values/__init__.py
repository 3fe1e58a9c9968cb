"""Learning the values of actions by reward: tabular Q-learning and SARSA."""
