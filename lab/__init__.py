"""The instruments: what starts, measures, tests and draws the shop. No part of the shop imports them."""
