"""The invariants, as SQL: what must be true of the stored rows at every consistent read.

Each check is one statement that selects the ids of the rows that break one rule; a healthy shop selects nothing. All
of them read in one snapshot that takes no lock, so an audit may run beside a busy shop. The checks are grouped by
whose tables they read: one app's, or those of orders and stock together.
"""

from charites.audit.check import Check, Result
from charites.audit.run import CHECKS, AuditInTransaction, run_audit

__all__ = ["CHECKS", "AuditInTransaction", "Check", "Result", "run_audit"]
