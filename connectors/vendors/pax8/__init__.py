"""Pax8: subscriptions, orders and invoices of a cloud marketplace."""
