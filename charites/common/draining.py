"""Between being asked to end and ending: for DRAIN_DELAY_SECONDS a process says that it is about to end, and still
takes everything, so that balancers send the next call elsewhere before this one takes no more."""

import threading

_asked = threading.Event()
begin = _asked.set
has_begun = _asked.is_set
