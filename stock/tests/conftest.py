import pytest

from stock.strategies import STRATEGIES, Strategy, get_strategy

SAFE = sorted(name for name, strategy in STRATEGIES.items() if strategy.safe)


@pytest.fixture(params=SAFE)
def strategy(request: pytest.FixtureRequest, settings) -> Strategy:
    """Every safe strategy, one after the other, as the one that is configured."""
    settings.STOCK_STRATEGY = request.param
    return get_strategy(request.param)


@pytest.fixture
def worker_environment(process_environment: dict[str, str]) -> dict[str, str]:
    """For processes of `lab.kit.processes.worker`: patience, so that busy means a defect and no slow machine."""
    patience = ("TRANSACTION_DEADLINE_SECONDS", "STOCK_OPTIMISTIC_DEADLINE_SECONDS", "STOCK_LOCK_WAIT_SECONDS")
    return {**process_environment, "TRANSACTION_TRIES": "12", **dict.fromkeys(patience, "30")}
