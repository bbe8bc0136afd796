"""Demo data: what is sold, by whom, and what buyers did in the last two weeks."""
