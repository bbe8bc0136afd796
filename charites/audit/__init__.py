"""The invariants, as SQL: what must be true of the stored rows at every consistent read.

Each check is one statement that selects the ids of the rows that break one rule; a healthy shop selects nothing. All
of them read in one snapshot that takes no lock, so an audit may run beside a busy shop. The checks are grouped by
whose tables they read: one app's, or those of orders and stock together. In the split form every database has its
snapshot and the checks of what it holds, and orders and stock are compared row by row.
"""

from charites.audit.check import Check, Result
from charites.audit.databases import (
    Database,
    NoSuchDatabase,
    find_holder,
    missing_migrations,
    open_database,
    own_database,
)
from charites.audit.run import AuditInTransaction, count_checks, run_audit

__all__ = [
    "AuditInTransaction",
    "Check",
    "Database",
    "NoSuchDatabase",
    "Result",
    "count_checks",
    "find_holder",
    "missing_migrations",
    "open_database",
    "own_database",
    "run_audit",
]
