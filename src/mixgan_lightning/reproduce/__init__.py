"""Tables and figures made from many trainings or computations: over seeds, as Markdown, PNG and numbers."""

from mixgan_lightning.reproduce.computation import Computation
from mixgan_lightning.reproduce.curves import Curves
from mixgan_lightning.reproduce.entry import Entry
from mixgan_lightning.reproduce.reproduction import Reproduction
from mixgan_lightning.reproduce.results_table import ResultsTable
from mixgan_lightning.reproduce.runner import Runner
from mixgan_lightning.reproduce.runs import Outcome, Run
from mixgan_lightning.reproduce.sample_sheet import SampleSheet

__all__ = [
    "Computation",
    "Curves",
    "Entry",
    "Outcome",
    "Reproduction",
    "ResultsTable",
    "Run",
    "Runner",
    "SampleSheet",
]
