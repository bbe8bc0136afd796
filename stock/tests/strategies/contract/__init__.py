"""What every strategy promises, whatever it is called: one suite, run for each safe entry of STRATEGIES.

Races with real processes are in test_strategy_races.py, lost replies of a real server in test_lost_replies.py.
"""
