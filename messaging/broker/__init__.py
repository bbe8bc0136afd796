"""Messages for other services over a broker, where REMOTE_BROKER_URL names one; without it they are calls.

The rows stay the truth: the broker may lose everything, and the ladder of a row asks again until an answer has come.
docs/adr/0041-messages-over-a-broker.md says why it is built like this.
"""
