"""The commands: thin. What they do lives in the package."""
