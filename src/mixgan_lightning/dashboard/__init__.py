"""A W&B workspace that fits what is logged: plain data first, W&B last."""

from mixgan_lightning.dashboard.panels import Section
from mixgan_lightning.dashboard.specification import dashboard

__all__ = ["Section", "dashboard"]
