"""Hydra configs, installed as mixgan_lightning.conf."""
