"""One HTML page of a run or of a sweep, made from the files in its folder alone."""

from mixgan_lightning.report.page import write_report
from mixgan_lightning.report.summary import Failure, Row, Summary
from mixgan_lightning.report.sweep import summarise

__all__ = ["Failure", "Row", "Summary", "summarise", "write_report"]
