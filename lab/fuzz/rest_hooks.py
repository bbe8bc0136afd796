"""What schemathesis loads (SCHEMATHESIS_HOOKS): many of the numbers that it sends are those of things that are there.
What each operation was answered is written down.

FUZZED_SHOP and FUZZED_RECEIVER are addresses, FUZZED_ANSWERS a file.
"""

import atexit
import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

from lab.fuzz.what_is_there import Known

random = Random(os.environ["FUZZED_SEED"])
known = Known(os.environ["FUZZED_SHOP"], os.environ["FUZZED_RECEIVER"], random)
answers: dict[str, Counter[int]] = defaultdict(Counter)
KEY = "Idempotency-Key"
THERE = 0.8  # the share of what is asked about things that are there


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """What is to be refused stays as it is."""
    if not case.meta or case.meta.generation.mode is not GenerationMode.POSITIVE or random.random() > THERE:
        return
    for name in list(case.path_parameters or ()):
        if (value := known.value(name)) is not None:
            case.path_parameters[name] = value
    if isinstance(case.body, dict):
        case.body = known.fitted(case.body)
        takes_key = any(parameter.name == KEY for parameter in case.operation.headers)
        if takes_key and KEY not in case.headers and not case.body.get("idempotency_key"):
            case.headers[KEY] = f"fuzz-{random.randrange(1_000)}"  # the schema cannot say that one of both is needed


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    answers[case.operation.label][response.status_code] += 1


@atexit.register
def write_answers() -> None:
    Path(os.environ["FUZZED_ANSWERS"]).write_text(json.dumps(answers))
