"""MIX+GAN for PyTorch Lightning."""
