"""The stock race: many buyers at once on a database of their own, one strategy after the other.

`runner` deals out the buyers and judges; the programs `buyers`, `sales_ledger` and `strategy_server` run as
processes of their own.
"""
