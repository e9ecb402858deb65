"""What measures samples; nothing here trains."""
