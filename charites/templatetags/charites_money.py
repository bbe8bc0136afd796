"""Amounts for people."""

from django import template

from charites.common.money import amount

register = template.Library()
register.filter("amount", amount)
