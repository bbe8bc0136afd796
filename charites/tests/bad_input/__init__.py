"""Bad input: one table of scenarios, run over every protocol that has the operation."""
