"""Tables and figures made from many trainings: run over seeds, collected, written as Markdown, PNG and numbers."""

from mixgan_lightning.reproduce.curves import Curves
from mixgan_lightning.reproduce.entry import Entry
from mixgan_lightning.reproduce.reproduction import Reproduction
from mixgan_lightning.reproduce.results_table import ResultsTable
from mixgan_lightning.reproduce.runner import Runner
from mixgan_lightning.reproduce.runs import Outcome, Run
from mixgan_lightning.reproduce.sample_sheet import SampleSheet

__all__ = ["Curves", "Entry", "Outcome", "Reproduction", "ResultsTable", "Run", "Runner", "SampleSheet"]
